"""A folder in BEIR's layout is read whole or refused with the place of what is wrong; the public sets are as told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evals import beir, sets
from evals.datasets import Evidence, data_folder
from tests.evals import data
from vouch.core.errors import BadConfig, BadEvalSet
from vouch.core.types import Span

COUNTS = {
    "scifact": (5183, 300, 339),
    "cranfield": (1400, 225, 1612),
    "handbook": (883, 1048, 1065),
    "handbook-questions": (883, 10, 11),
    "sec-10q": (12, 116, 221),
    "xquad-en": (240, 1190, 1190),
    "xquad-de": (240, 1190, 1190),
    "xquad-es": (240, 1190, 1190),
    "xquad-zh": (240, 1190, 1190),
    "chunk-spans": (5, 472, 472),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents, two questions, spans; well written."""
    rows = [{"_id": "a", "title": "Leave", "text": "28 days a year."}, {"_id": "b", "text": "Ünder 140 €."}]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, [*rows, {"_id": "c", "text": ""}])) + "\n\n")
    asked = [{"_id": "q", "text": "How many days?", "more": 1}, {"_id": "r", "text": "How much?"}]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t2\nr\tb\t1\nr\ta\t0\n")
    (tmp_path / "spans.jsonl").write_text('{"query_id": "r", "doc_id": "b", "start": 0, "end": 12}\n')
    return tmp_path


def test_a_folder_is_read_as_it_stands(folder: Path) -> None:
    found = beir.load(folder, "ours")
    assert [(d.id, d.title, d.data.decode()) for d in found.documents] == [
        ("a", "Leave", "28 days a year."),
        ("b", "", "Ünder 140 €."),
        ("c", "", ""),
    ]
    assert found.queries == {"q": "How many days?", "r": "How much?"}
    assert found.qrels == {"q": {"a": 2}, "r": {"b": 1}}
    assert found.evidence == {"r": (Evidence("b", Span(0, 12)),)}


def test_packed_files_beirs_own_place_of_judgements_and_no_heading(folder: Path) -> None:
    plain = beir.load(folder, "ours")
    for name in ("corpus", "queries", "spans"):
        path = folder / f"{name}.jsonl"
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("".join((folder / "qrels.tsv").read_text().splitlines(True)[1:]))
    (folder / "qrels.tsv").unlink()
    assert beir.is_set(folder)
    assert not beir.is_set(folder.parent)
    assert beir.load(folder, "ours") == plain


def _append(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text((folder / name).read_text().rstrip("\n") + "\n" + text)

    return change


WRONG: dict[str, tuple[Callable[[Path], object], str, int, str]] = {
    "no corpus": (lambda f: (f / "corpus.jsonl").unlink(), "corpus.jsonl", 0, "missing_file"),
    "no judgements": (lambda f: (f / "qrels.tsv").unlink(), "qrels.tsv", 0, "missing_file"),
    "no questions": (lambda f: (f / "queries.jsonl").write_text("\n"), "queries.jsonl", 0, "no_rows"),
    "none relevant": (lambda f: (f / "qrels.tsv").write_text("q\ta\t0\n"), "qrels.tsv", 0, "no_rows"),
    "not json": (_append("corpus.jsonl", "{"), "corpus.jsonl", 4, "not_json"),
    "a list": (_append("queries.jsonl", "[1]"), "queries.jsonl", 3, "not_json"),
    "nested": (_append("queries.jsonl", "[" * 100_000), "queries.jsonl", 3, "not_json"),
    "no text": (_append("corpus.jsonl", '{"_id": "d"}'), "corpus.jsonl", 4, "missing_field"),
    "empty id": (_append("corpus.jsonl", '{"_id": " ", "text": "x"}'), "corpus.jsonl", 4, "missing_field"),
    "empty question": (_append("queries.jsonl", '{"_id": "s", "text": ""}'), "queries.jsonl", 3, "missing_field"),
    "number as id": (_append("queries.jsonl", '{"_id": 7, "text": "x"}'), "queries.jsonl", 3, "wrong_type"),
    "half a pair": (_append("corpus.jsonl", r'{"_id": "d", "text": "\ud800"}'), "corpus.jsonl", 4, "not_text"),
    "id twice": (_append("corpus.jsonl", '{"_id": "a", "text": "x"}'), "corpus.jsonl", 4, "duplicate_id"),
    "judged twice": (_append("qrels.tsv", "q\ta\t1"), "qrels.tsv", 5, "duplicate_id"),
    "columns": (_append("qrels.tsv", "q a 1"), "qrels.tsv", 5, "wrong_columns"),
    "grade": (_append("qrels.tsv", "q\tb\tyes"), "qrels.tsv", 5, "wrong_type"),
    "question unknown": (_append("qrels.tsv", "z\ta\t1"), "qrels.tsv", 5, "unknown_query"),
    "document unknown": (_append("qrels.tsv", "q\tz\t1"), "qrels.tsv", 5, "unknown_document"),
    "past the end": (
        _append("spans.jsonl", '{"query_id": "r", "doc_id": "b", "start": 3, "end": 13}'),
        "spans.jsonl",
        2,
        "bad_span",
    ),
    "offset of text": (
        _append("spans.jsonl", '{"query_id": "r", "doc_id": "b", "start": "0", "end": 2}'),
        "spans.jsonl",
        2,
        "wrong_type",
    ),
    "evidence of nothing": (
        _append("spans.jsonl", '{"query_id": "r", "doc_id": "z", "start": 0, "end": 2}'),
        "spans.jsonl",
        2,
        "unknown_document",
    ),
    "latin-1": (
        lambda f: (f / "queries.jsonl").write_bytes(b'{"_id": "q", "text": "\xe9"}'),
        "queries.jsonl",
        1,
        "not_text",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_row_is_an_error_with_its_place(case: str, folder: Path) -> None:
    change, file, line, reason = WRONG[case]
    change(folder)
    with pytest.raises(BadEvalSet) as caught:
        beir.load(folder, "ours")
    assert caught.value.extra == {"file": str(folder / file), "line": line, "reason": reason}
    assert str(folder / file) in caught.value.detail


def test_a_file_that_is_not_packed_as_it_says(folder: Path) -> None:
    (folder / "corpus.jsonl").rename(folder / "corpus.jsonl.gz")
    with pytest.raises(BadEvalSet, match="UTF-8") as caught:
        beir.load(folder, "ours")
    assert caught.value.extra["reason"] == "not_text"


def test_every_public_set_has_what_its_description_counts() -> None:
    try:
        public = data_folder()
    except BadConfig:
        pytest.skip("no evaluation data here")
    assert set(COUNTS) == set(sets.SETS)
    for name, counts in COUNTS.items():
        found = sets.load(name)
        assert found.name == name
        assert (len(found.documents), len(found.queries), sum(map(len, found.qrels.values()))) == counts, name
    spans = sets.load("chunk-spans", public)
    assert sum(map(len, spans.evidence.values())) == 790
    assert spans.evidence["q000"][0] == Evidence("state_of_the_union", Span(27346, 27425))


def test_every_set_of_the_registry_is_in_the_small_folder(tmp_path: Path) -> None:
    small = data.write(tmp_path)
    assert {name: sets.load(name, small).name for name in sets.SETS} == {name: name for name in sets.SETS}
