"""BM25 vectors: the same everywhere, and what they forgive."""

from __future__ import annotations

import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from vouch.index.lexical import AVERAGE_LENGTH, B, K, document_vector, query_vector

TEXT = "The retention period of payroll records is seven years; naïve cafés keep receipts for ten."


def test_every_process_makes_the_same_vectors() -> None:
    program = (
        "import json, sys; from vouch.index.lexical import document_vector, query_vector; "
        "text = sys.argv[1]; d, q = document_vector(text), query_vector(text); "
        "print(json.dumps([d.indices, d.values, q.indices, q.values]))"
    )
    command = [sys.executable, "-c", program, TEXT]
    found = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2)]
    document, query = document_vector(TEXT), query_vector(TEXT)
    here = [list(part) for part in (document.indices, document.values, query.indices, query.values)]
    assert found == [here, here]


def test_a_known_vector() -> None:
    """Term ids are stored in every index: a release of the engine that changes them must not pass unseen."""
    assert query_vector("payroll").indices == (328663467,)


def test_weights_are_those_of_bm25() -> None:
    once, twice = document_vector("budget"), document_vector("budget budget")
    for vector, times in ((once, 1), (twice, 2)):
        expected = times * (K + 1) / (times + K * (1 - B + B * times / AVERAGE_LENGTH))
        assert len(vector.values) == 1
        assert abs(vector.values[0] - expected) < 1e-5
    assert query_vector("budget budget").values == (1.0,)


def test_stop_words_alone_make_an_empty_vector() -> None:
    for text in ("", "   ", "the of and", "?!"):
        assert not query_vector(text)
        assert not document_vector(text)


def test_endings_case_and_accents_do_not_matter() -> None:
    assert query_vector("Running CAFÉS") == query_vector("runs cafe")


@given(st.text(max_size=300))
def test_any_text_gives_ascending_terms_that_its_query_finds(text: str) -> None:
    document, query = document_vector(text), query_vector(text)
    assert list(document.indices) == sorted(set(document.indices))
    assert document.indices == query.indices
    assert all(value > 0 for value in document.values)
