"""What answers ought to be, in a company's own set: questions with the words that answer them, or with nothing to find.

    answers.jsonl   {"_id": …, "question": …, "answerable": false,
                     "expected": [{"document": "SOURCE_ID/EXTERNAL_ID", "text": …}, …]}

``answerable`` is true where it is left out. ``expected`` names the words that an answer should cite, as they stand in
the document (``text``), or where they stand in it (``start`` and ``end``, code points of its normalised text); a
document alone, where any of it will do. Without the file the questions of the set are meant, and the documents that
its judgements name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals import beir
from evals.beir import Row
from evals.own.folder import load
from vouch.core.types import Span

ANSWERS = "answers.jsonl"


@dataclass(frozen=True, slots=True)
class Expected:
    """A place that ought to be cited: by its words, by its span, or any of the document where both are None."""

    document: str
    words: str | None = None
    span: Span | None = None

    def holds(self, document: str, span: Span, quote: str) -> bool:
        """Whether a citation is of it, or of a part of it, or has it in it."""
        if document != self.document:
            return False
        if self.span is not None:
            return span.start < self.span.end and self.span.start < span.end
        said = spaced(quote)
        return self.words is None or self.words in said or said in self.words


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    text: str
    answerable: bool
    expected: tuple[Expected, ...]


def questions(folder: Path) -> tuple[Question, ...]:
    """The set's questions to be answered. Raises :class:`vouch.core.errors.BadEvalSet`."""
    path = folder / ANSWERS
    if not path.is_file():
        data = load(folder)
        return tuple(
            Question(query, data.queries[query], True, tuple(map(Expected, relevant)))
            for query, relevant in data.qrels.items()
        )
    found: dict[str, Question] = {}
    for row in beir.rows(path):
        one = _question(row)
        if one.id in found:
            raise row.wrong("duplicate_id", f"the id {one.id!r} is given twice")
        found[one.id] = one
    return tuple(found.values())


def spaced(text: str) -> str:
    """To compare words by: what white space stands between them, and how they are capitalised, may change."""
    return " ".join(text.split()).casefold()


def _question(row: Row) -> Question:
    answerable = row.body.get("answerable", True)
    if not isinstance(answerable, bool):
        raise row.wrong("wrong_type", "'answerable' is neither true nor false")
    expected = tuple(_expected(row))
    if expected and not answerable:
        raise row.wrong("wrong_type", "a question that is not 'answerable' has nothing that is 'expected'")
    return Question(row.name("_id"), row.name("question"), answerable, expected)


def _expected(row: Row) -> Iterator[Expected]:
    given: Any = row.body.get("expected", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise row.wrong("wrong_type", "'expected' is no list of objects")
    for one in given:
        place = Row(row.file, row.line, one)
        document = place.name("document")
        if "start" in one or "end" in one:
            start, end = place.offset("start"), place.offset("end")
            if not 0 <= start < end:
                raise row.wrong("bad_span", f"{start} to {end} encloses nothing")
            yield Expected(document, span=Span(start, end))
        else:
            yield Expected(document, words=spaced(place.name("text")) if "text" in one else None)
