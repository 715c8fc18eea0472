"""An address as mail may be sent to it: plain, and nothing in it that a header or a server could read in two ways."""

from __future__ import annotations

import re

from vouch.core.errors import InvalidInput
from vouch.outbound.addresses import ENDS_IN_NUMBER, NAME

MAX_LENGTH = 254
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(?:\.{_ATOM})*")


def mail_address(text: str, field: str = "address") -> str:
    """``text``, its domain in small letters. Raises :class:`InvalidInput` for anything but a plain ASCII address."""
    local, at, domain = text.rpartition("@")
    host = domain.lower()
    plain = len(text) <= MAX_LENGTH and _LOCAL.fullmatch(local) and "=?" not in local
    if not at or not plain or "." not in host or not NAME.fullmatch(host) or ENDS_IN_NUMBER.fullmatch(host):
        raise InvalidInput("is no plain mail address such as carol@example.org", field=field)
    return f"{local}@{host}"
