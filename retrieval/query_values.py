"""What the values of filters mean: names of types, days and spans of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from vouch.core import clock
from vouch.core.errors import InvalidInput

_OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES: dict[str, tuple[str, ...]] = {
    "pdf": ("application/pdf",),
    "docx": (f"{_OFFICE}.wordprocessingml.document",),
    "odt": ("application/vnd.oasis.opendocument.text",),
    "rtf": ("application/rtf",),
    "pptx": (f"{_OFFICE}.presentationml.presentation",),
    "xlsx": (f"{_OFFICE}.spreadsheetml.sheet",),
    "csv": ("text/csv",),
    "tsv": ("text/tab-separated-values",),
    "html": ("text/html",),
    "md": ("text/markdown",),
    "txt": ("text/plain",),
    "epub": ("application/epub+zip",),
    "eml": ("message/rfc822",),
    "msg": ("application/vnd.ms-outlook",),
}
"""The short name of each type that is read, and its media types."""
_KINDS = {
    "word": ("docx", "odt", "rtf"),
    "slides": ("pptx",),
    "sheet": ("xlsx", "csv", "tsv"),
    "mail": ("eml", "msg"),
    "markdown": ("md",),
    "text": ("txt",),
    "book": ("epub",),
    "excel": ("xlsx",),
    "powerpoint": ("pptx",),
    "htm": ("html",),
}
"""Names for several of them, and other names of one."""
_SHORT = {mime: name for name, mimes in TYPES.items() for mime in mimes}
_MIME = re.compile(r"[a-z0-9][a-z0-9.+_-]*/[a-z0-9][a-z0-9.+_-]*")
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


def mimes(value: str) -> tuple[str, ...] | None:
    """The media types that ``type:value`` means; None where it means none."""
    name = value.lower().removeprefix(".")
    if _MIME.fullmatch(name):
        return (name,)
    found = tuple(mime for short in _KINDS.get(name, (name,)) for mime in TYPES.get(short, ()))
    return found or None


def short_name(mime: str) -> str:
    """The name that ``type:`` knows a media type by, or itself."""
    return _SHORT.get(mime, mime)


def moment(value: str) -> datetime | None:
    """The beginning of a year, month or day (UTC), or so long ago as a duration says; None where it is neither."""
    day = _DAY.fullmatch(value)
    try:
        if day:
            return datetime(int(day[1]), int(day[2] or 1), int(day[3] or 1), tzinfo=UTC)
        return clock.now().replace(microsecond=0) - clock.duration(value)
    except (ValueError, InvalidInput):
        return None


def check(key: str, value: str, *, negated: bool, field: str) -> None:
    """Raises :class:`InvalidInput` for what can only be a mistake."""
    if key == "type" and mimes(value) is None:
        known = ", ".join(sorted({*TYPES, *_KINDS}))
        raise InvalidInput(f"type:{value} is no type; known are {known}, and media types.", field=field)
    if key not in ("before", "after"):
        return
    if negated:
        other = "after" if key == "before" else "before"
        raise InvalidInput(f"-{key}:{value} cannot be left out; say {other}:{value}.", field=field)
    if moment(value) is None:
        said = "a day such as 2025-03-31, a month 2025-03, a year 2025, or so long ago as 30d or 2w"
        raise InvalidInput(f"{key}:{value} is no date; it takes {said}.", field=field)
