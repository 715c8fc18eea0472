"""How the answers of Confluence and Jira are read, and how their texts are written: as HTML."""

from __future__ import annotations

import re
from datetime import datetime
from html import escape
from typing import Any

from vouch.core.errors import Unavailable
from vouch.core.types import Json

_MAX_TITLE = 300
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def malformed() -> Unavailable:
    return Unavailable("The site answered with something else than its API describes.")


def as_dict(said: Any) -> Json:
    return said if isinstance(said, dict) else {}


def clean(text: object) -> str:
    """A title or a name on one line, without what cannot be printed."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MAX_TITLE]).split())[:_MAX_TITLE]


def legible(text: str) -> str:
    """Text without the characters that no document may hold; a parser would end at one."""
    return _NOT_XML.sub(" ", text)


def time_of(text: object) -> datetime | None:
    """A moment as the API writes it; None for what is none, or has no zone."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def document(title: str, inside: str) -> str:
    """A whole page of HTML around what is HTML already."""
    shown = escape(title)
    head = f"<!DOCTYPE html>\n<html><head><title>{shown}</title></head>"
    return f"{head}<body>\n<h1>{shown}</h1>\n{inside}\n</body></html>\n"


def section(heading: str, inside: str, level: int = 2) -> str:
    return f"\n<h{level}>{escape(heading)}</h{level}>\n<div>{inside}</div>"
