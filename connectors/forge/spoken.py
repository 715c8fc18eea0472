"""Threads as Markdown: who said what, when, in the order in which it was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from vouch.core.errors import DocumentRejected
from vouch.core.types import Body

MARKDOWN = "text/markdown"
_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Said:
    """``what``: ``Comment``, ``Reply``, ``Review, approved``. ``level``: of its heading."""

    what: str
    by: str | None
    at: datetime | None
    text: str
    level: int = 2


def title_of(text: str) -> str:
    """One line, without what cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_TITLE]


def thread(title: str, facts: Sequence[str], body: str, said: Iterable[Said]) -> str:
    """The whole of it."""
    parts = [f"# {title}", ". ".join(facts) + ".", _plain(body)]
    for one in said:
        parts += [f"{'#' * one.level} {one.what} by {who(one.by)}{on(one.at)}", _plain(one.text)]
    return "\n\n".join(part for part in parts if part) + "\n"


def bounded(text: str, most_kb: int) -> Body:
    """A thread as a body. Raises :class:`DocumentRejected` (``too_large``)."""
    data = text.encode("utf-8", "replace")
    if len(data) > most_kb << 10:
        raise DocumentRejected(f"Its text is larger than {most_kb:,} KiB.", reason="too_large")
    return Body(data, MARKDOWN)


def who(login: str | None) -> str:
    return title_of(login) if login else "somebody who has left"


def on(at: datetime | None) -> str:
    return f" on {at:%Y-%m-%d}" if at is not None else ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\0", "").strip()
