"""What goes over the pipe between a worker and its parser process: lengths, JSON, bytes; never pickle.

Both ends import this. The worker believes nothing that it has not checked: the parser process has read a
stranger's file.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from ingestion.parse.document import Kind
from ingestion.parse.linked import LONGEST, MOST

REQUEST = struct.Struct(">IQ")
"""Length of the :class:`Question`, length of the document; both follow."""
ANSWER = struct.Struct(">c?Q")
"""Kind of answer, whether the process has grown too large to go on, length of what follows."""
READY, PARSED, REFUSED, EXHAUSTED, FAULT = b"+", b"P", b"R", b"M", b"F"
MAX_ANSWER = 96 << 20
"""Bytes. The longest text is 10 million characters, four bytes each at most; the rest is its structure."""


class Question(msgspec.Struct, frozen=True):
    name: str
    mime: str | None
    cpu_s: float
    article: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """Why a document was refused; for a fault, the traceback that goes to the log."""

    reason: str
    detail: str


_Places = tuple[str, list[tuple[int, int, int | None]]]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parsed document as :meth:`ingestion.parse.document.Parsed.to_json` writes it, every type checked."""

    format: Literal[2]
    title: str
    mime: str
    language: str
    notes: list[str]
    text: str
    elements: list[tuple[Kind, int, int, list[str], str, list[tuple[int, int]], list[_Places]]]
    links: list[tuple[str, int | None, int | None]]


def checked(body: bytes) -> Answer:
    """Raises ``ValueError`` for what is no parsed document, or one whose spans do not lie in its text."""
    answer = msgspec.json.decode(body, type=Answer)
    at = 0
    for _, start, end, _, _, rows, places in answer.elements:
        within = (*rows, *((a, b) for _, parts in places for a, b, _ in parts))
        if not at <= start < end or any(not start <= a <= b <= end for a, b in within):
            raise ValueError("spans overlap or run backwards")
        at = end
    if not answer.elements or at > len(answer.text):
        raise ValueError("spans lie outside the text")
    if len(answer.links) > MOST or not all(_is_link(link, at) for link in answer.links):
        raise ValueError("links that are not kept, or outside the text")
    return answer


def _is_link(link: tuple[str, int | None, int | None], last: int) -> bool:
    target, start, end = link
    placed = (start is None and end is None) or (start is not None and end is not None and 0 <= start < end <= last)
    return placed and 0 < len(target) <= LONGEST and target.isprintable()
