"""How IMAP writes things: names of folders (modified UTF-7, RFC 3501 5.1.3), quoted strings, sets of numbers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_RANGE = re.compile(r"([1-9][0-9]{0,9})(?::([1-9][0-9]{0,9}))?")
MAX_UID = 2**32 - 1
MAX_NAME = 1000


def decoded(name: bytes) -> str | None:
    """A folder's name for people; None for one that is written as no name is, so that nothing leads back to it."""
    try:
        found = _SHIFTED.sub(_unshifted, name).decode("utf-8")
        return found if 0 < len(found) <= MAX_NAME and found.isprintable() and encoded(found) == name else None
    except (binascii.Error, UnicodeError):
        return None


def encoded(name: str) -> bytes:
    """The name as the server writes it."""
    made: list[bytes] = []
    for n, part in enumerate(re.split(r"([^ -~]+)", name)):
        if n % 2 == 0:
            made.append(part.replace("&", "&-").encode("ascii"))
        else:
            shifted = base64.b64encode(part.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            made.append(b"&" + shifted + b"-")
    return b"".join(made)


def _unshifted(match: re.Match[bytes]) -> bytes:
    shifted = match[1].replace(b",", b"/")
    if not shifted:
        return b"&"
    return base64.b64decode(shifted + b"=" * (-len(shifted) % 4), validate=True).decode("utf-16-be").encode("utf-8")


def quoted(text: bytes) -> bytes:
    """As a quoted string. What holds a line break must not come here."""
    if b"\r" in text or b"\n" in text or b"\0" in text:
        raise ValueError("a line break in a quoted string")
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def unquoted(text: bytes) -> bytes:
    """What a quoted string, or a bare word, says."""
    if len(text) >= 2 and text.startswith(b'"') and text.endswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", text[1:-1])
    return text


def ranges(numbers: Iterable[int]) -> str:
    """``1:3,7``: numbers as IMAP writes a set of them."""
    made: list[list[int]] = []
    for number in sorted(numbers):
        if made and number == made[-1][1] + 1:
            made[-1][1] = number
        else:
            made.append([number, number])
    return ",".join(f"{first}:{last}" if last > first else f"{first}" for first, last in made)


def numbers(text: str) -> Iterator[tuple[int, int]]:
    """First and last of each range of a set. Raises ValueError."""
    for part in text.split(",") if text else ():
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no range")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= MAX_UID:
            raise ValueError(f"{part!r} is no range")
        yield first, last
