"""A token exchanged for a secret, as RFC 6749 says it: one form, one answer, through the one door."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.pace import retry_after
from connectors.rest import ShortToken
from vouch.core.errors import SourceRefuses, Unavailable
from vouch.outbound.door import Answer, Bounds, Outbound

_TOKEN = re.compile(r"[!-~]{1,16000}")
_WORD = re.compile(r"[a-z_]{1,64}")
_SHORTEST_S = 120.0
"""What a token that does not say how long it lasts is used for."""
_MOST_HELD = 256
_held: OrderedDict[bytes, ShortToken] = OrderedDict()
_lock = threading.Lock()


def held(exchange: Callable[[], tuple[str, float]], *by: str) -> ShortToken:
    """The token of this process for ``by``: all that it is had by, secrets included.

    A connector is made for each document that is fetched; with a token of its own each would ask twice.
    """
    key = hashlib.sha256("\0".join(by).encode()).digest()
    with _lock:
        found = _held.pop(key, None) or ShortToken(exchange)
        _held[key] = found
        while len(_held) > _MOST_HELD:
            _held.popitem(last=False)
        return found


def exchanged(outbound: Outbound, url: str, form: Mapping[str, str]) -> tuple[str, float]:
    """A token and the seconds that it lasts, as :class:`~connectors.rest.ShortToken` wants it.

    Raises :class:`SourceRefuses` when the secret is not accepted and :class:`Unavailable` when trying again may help.
    What was sent is never repeated, and of the answer only the word for what is wrong.
    """
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    answer = outbound.request(
        "POST", url, headers=headers, content=urlencode(form).encode(), bounds=Bounds(1 << 20, redirects=0)
    )
    if answer.status >= 500 or answer.status in (408, 429):
        wait = retry_after(answer) or 0.0
        raise Unavailable(f"{answer.url.host} answered with status {answer.status}.", retry_after_s=wait)
    said = _said(answer)
    if answer.status != 200:
        word = str(said.get("error", ""))
        why = word if _WORD.fullmatch(word) else f"status {answer.status}"
        raise SourceRefuses(f"{answer.url.host} gives no token: {why}.", said=answer.status)
    token, seconds = said.get("access_token"), said.get("expires_in")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SourceRefuses(f"{answer.url.host} gives no token: its answer has none.", said=200)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < 1e6:
        return token, _SHORTEST_S
    return token, float(seconds)


def _said(answer: Answer) -> Mapping[str, Any]:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        if answer.status == 200:
            raise Unavailable(f"{answer.url.host} answered with something else than JSON.") from error
        return {}
    return said if isinstance(said, dict) else {}
