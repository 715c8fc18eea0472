"""A URL as it is allowed to be written: read once, strictly, so that no two readers can see two hosts in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urljoin

from vouch.core.errors import OutboundRefused
from vouch.outbound.addresses import ENDS_IN_NUMBER, NAME

MAX_LENGTH = 4000
_URL = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][^#]*)?(?:#.*)?",
    re.DOTALL,
)
_PLAIN = re.compile(r"[!-~]+")
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request goes. ``host`` is a name in small letters or an address in its one canonical form."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """As the ``Host`` header says it: the port left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse_url(text: str) -> Url:
    """Read an absolute http or https URL; a fragment is left out.

    Raises :class:`OutboundRefused` for anything that could be read in two ways: other characters than visible ASCII,
    backslashes, credentials, addresses in any but their canonical form, trailing dots, zone ids.
    """
    if len(text) > MAX_LENGTH or not _PLAIN.fullmatch(text) or "\\" in text:
        raise OutboundRefused(f"A URL has 1 to {MAX_LENGTH} characters of ASCII, and no backslash.")
    match = _URL.fullmatch(text)
    if match is None:
        raise OutboundRefused("Only an http or https URL with a plain host, without a user in it, is reached.")
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _DEFAULT_PORT[scheme]
    if not 1 <= port <= 65535:
        raise OutboundRefused("The URL's port is none.")
    target = match["target"] or "/"
    return Url(scheme, _host(match["host"].lower()), port, target if target.startswith("/") else f"/{target}")


def join(base: Url, reference: str) -> Url:
    """``reference``, such as a ``Location``, as seen from ``base``. Raises as :func:`parse_url`."""
    if not _PLAIN.fullmatch(reference) or "\\" in reference:
        # Checked before joining: urllib takes out line breaks and tabs without a word.
        raise OutboundRefused("A redirect leads to something that is not a URL.")
    try:
        return parse_url(urljoin(str(base), reference))
    except ValueError as error:
        raise OutboundRefused("A redirect leads to something that is not a URL.") from error


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if ENDS_IN_NUMBER.fullmatch(text):
            return str(IPv4Address(text))
    except AddressValueError as error:
        raise OutboundRefused("The URL's host is an address that is not in its usual form.") from error
    if not NAME.fullmatch(text):
        raise OutboundRefused("The URL's host is not a name.")
    return text
