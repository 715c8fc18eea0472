"""A set in BEIR's layout, read from a folder: ours, a public one, or a company's own.

    corpus.jsonl[.gz]    {"_id": …, "title": … (optional), "text": …}
    queries.jsonl[.gz]   {"_id": …, "text": …}
    qrels.tsv            query-id, corpus-id, score; a heading line first (also at qrels/test.tsv)
    spans.jsonl[.gz]     optional: {"query_id": …, "doc_id": …, "start": …, "end": …} of every piece of evidence,
                         in code points of the document's "text"

A row that cannot be used is an error that names file, line and a stable reason. Nothing is skipped: a figure over
the rows that happened to be well written would be a figure of another set.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.datasets import Evidence, Qrels, RawDocument, RetrievalSet
from vouch.core.errors import BadEvalSet
from vouch.core.types import Json, Span

HEADING = ("query-id", "corpus-id", "score")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, and what it says."""

    file: Path
    line: int
    body: Json

    def wrong(self, reason: str, detail: str) -> BadEvalSet:
        return BadEvalSet(
            f"{self.file}, line {self.line}: {detail}", file=str(self.file), line=self.line, reason=reason
        )

    def text(self, name: str) -> str:
        value = self.body.get(name)
        if value is None:
            raise self.wrong("missing_field", f"there is no {name!r}")
        if not isinstance(value, str):
            raise self.wrong("wrong_type", f"{name!r} is not text")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise self.wrong("not_text", f"{name!r} holds half a surrogate pair")
        return value

    def name(self, name: str) -> str:
        value = self.text(name)
        if not value.strip():
            raise self.wrong("missing_field", f"{name!r} is empty")
        return value

    def offset(self, name: str) -> int:
        value = self.body.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong("wrong_type", f"{name!r} is not a whole number")
        return value


def is_set(folder: Path) -> bool:
    """Whether ``folder`` is laid out as one set, rather than as a folder of sets."""
    return any((folder / f"corpus.jsonl{suffix}").is_file() for suffix in ("", ".gz"))


def load(folder: Path, name: str) -> RetrievalSet:
    """The set in ``folder``. Raises :class:`BadEvalSet`."""
    documents = corpus(folder)
    by_id = {document.id: document for document in documents}
    questions = queries(folder)
    judged = qrels(folder, questions, by_id)
    return RetrievalSet(name, documents, questions, judged, evidence=_evidence(folder, questions, by_id))


def corpus(folder: Path) -> tuple[RawDocument, ...]:
    """Every document as plain text. One without text stays: a platform refuses it, and reports say so."""
    found: dict[str, RawDocument] = {}
    for row in rows(_file(folder, "corpus.jsonl")):
        key = _fresh(row, found)
        title = row.text("title") if row.body.get("title") is not None else ""
        found[key] = RawDocument(key, f"{key}.txt", title, row.text("text").encode())
    return tuple(found.values())


def queries(folder: Path, file: str = "queries.jsonl") -> dict[str, str]:
    """Query id → its text."""
    found: dict[str, str] = {}
    for row in rows(_file(folder, file)):
        found[_fresh(row, found)] = row.name("text")
    return found


def qrels(
    folder: Path, known: Mapping[str, str], documents: Mapping[str, Any] | None, file: str = "qrels.tsv"
) -> Qrels:
    """Judgements above 0, of queries and documents that there are; ``documents`` None: they are known elsewhere."""
    path = folder / file
    if not path.is_file() and (folder / "qrels" / "test.tsv").is_file():
        path = folder / "qrels" / "test.tsv"
    found: Qrels = {}
    for row in _judgements(path):
        query, document = row.name("query-id"), row.name("corpus-id")
        if query not in known:
            raise row.wrong("unknown_query", f"no query has the id {query!r}")
        if documents is not None and document not in documents:
            raise row.wrong("unknown_document", f"no document has the id {document!r}")
        grade = _grade(row)
        if document in found.get(query, {}):
            raise row.wrong("duplicate_id", f"{query!r} and {document!r} are judged twice")
        if grade > 0:
            found.setdefault(query, {})[document] = grade
    if not found:
        raise BadEvalSet(f"{path} holds no judgement above 0", file=str(path), line=0, reason="no_rows")
    return found


def _evidence(
    folder: Path, known: Mapping[str, str], documents: Mapping[str, RawDocument]
) -> dict[str, tuple[Evidence, ...]]:
    if not any((folder / f"spans.jsonl{suffix}").is_file() for suffix in ("", ".gz")):
        return {}
    lengths = {key: len(document.data.decode()) for key, document in documents.items()}
    found: dict[str, tuple[Evidence, ...]] = {}
    for row in rows(_file(folder, "spans.jsonl")):
        query, document = row.name("query_id"), row.name("doc_id")
        if query not in known:
            raise row.wrong("unknown_query", f"no query has the id {query!r}")
        if document not in documents:
            raise row.wrong("unknown_document", f"no document has the id {document!r}")
        start, end = row.offset("start"), row.offset("end")
        if not 0 <= start < end <= lengths[document]:
            raise row.wrong("bad_span", f"{start} to {end} is no part of a text of {lengths[document]} characters")
        found[query] = (*found.get(query, ()), Evidence(document, Span(start, end)))
    return found


def _judgements(path: Path) -> Iterator[Row]:
    if not path.is_file():
        raise BadEvalSet(f"there is no {path}", file=str(path), line=0, reason="missing_file")
    for number, line in enumerate(_lines(path), 1):
        fields = line.rstrip("\r\n").split("\t")
        if number == 1 and not _is_number(fields[-1]):
            continue  # the heading; a file without one is read as well
        row = Row(path, number, dict(zip(HEADING, fields, strict=False)))
        if len(fields) != len(HEADING):
            raise row.wrong("wrong_columns", f"{len(fields)} columns instead of {len(HEADING)}, which tabs part")
        yield row


def _grade(row: Row) -> int:
    text = row.text("score")
    if not _is_number(text):
        raise row.wrong("wrong_type", f"the score {text!r} is not a whole number")
    return int(text)


def _is_number(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _fresh(row: Row, found: Mapping[str, Any]) -> str:
    key = row.name("_id")
    if key in found:
        raise row.wrong("duplicate_id", f"the id {key!r} is given twice")
    return key


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise BadEvalSet(f"there is no {folder / name}", file=str(folder / name), line=0, reason="missing_file")


def rows(path: Path) -> Iterator[Row]:
    """Rows of a ``.jsonl`` or ``.jsonl.gz`` file, of which there is at least one; blank lines are none."""
    row = None
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        row = Row(path, number, {})
        try:
            body = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise row.wrong("not_json", "this is not JSON") from error
        if not isinstance(body, dict):
            raise row.wrong("not_json", "this is not a JSON object")
        row = Row(path, number, body)
        yield row
    if row is None:
        raise BadEvalSet(f"{path} is empty", file=str(path), line=0, reason="no_rows")


def _lines(path: Path) -> Iterator[str]:
    """Lines as they stand; a line ends at a line feed alone, as JSON Lines has it."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        at = number if isinstance(error, UnicodeDecodeError) else number + 1
        detail = f"{path}, line {at}: this cannot be read as UTF-8 text ({error.__class__.__name__})"
        raise BadEvalSet(detail, file=str(path), line=at, reason="not_text") from error
