"""Which platform a program speaks to, and with which key.

Address: `VOUCH_URL`, else the platform that runs on the data folder, else host and port of the settings.
Key: `VOUCH_API_KEY`, else the administrator's key in the data folder.
"""

from __future__ import annotations

import ipaddress
import json
import os
from contextlib import suppress
from urllib.parse import urlsplit

from vouch.client.client import Client
from vouch.core.errors import Unauthenticated
from vouch.core.settings import Settings
from vouch.embedded.addresses import http_url
from vouch.embedded.folder import ADMIN_KEY


def connect(as_user: str | None = None) -> Client:
    """A client of the platform that the environment means. Raises :class:`Unauthenticated` without a key for it."""
    settings = Settings()
    url = os.environ.get("VOUCH_URL") or running_url(settings) or http_url(settings)
    client = Client(url, _key(settings, url))
    return client if as_user is None else client.as_user(user_name(as_user))


def connect_here(settings: Settings) -> Client:
    """An administrator's client of the platform that runs on the data folder, whatever the environment says."""
    return Client(running_url(settings) or http_url(settings), _admin_key(settings))


def user_name(text: str) -> str:
    """``alice`` and ``user:alice`` are the same person."""
    return text if text.startswith("user:") else f"user:{text}"


def running_url(settings: Settings) -> str | None:
    """Where the platform that runs on the data folder answers, as it wrote it into its lock file."""
    with suppress(OSError, ValueError, KeyError):
        found = json.loads((settings.data_dir / "lock").read_text())
        with suppress(PermissionError):  # it lives, as another user's
            os.kill(int(found["pid"]), 0)
        if str(found["address"]).startswith("http"):
            return str(found["address"])
    return None


def _key(settings: Settings, url: str) -> str:
    if given := os.environ.get("VOUCH_API_KEY"):
        return given
    if not _on_this_machine(url):
        raise Unauthenticated(f"{url} is not this machine, so the key kept here is not sent to it; set VOUCH_API_KEY.")
    return _admin_key(settings)


def _admin_key(settings: Settings) -> str:
    path = settings.data_dir / ADMIN_KEY
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise Unauthenticated(
            f"There is no key: set VOUCH_API_KEY, or start the platform, which writes {path}."
        ) from None
    except PermissionError:
        raise Unauthenticated(f"{path} cannot be read by this user; set VOUCH_API_KEY.") from None


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
