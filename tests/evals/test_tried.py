"""Ideas that were measured: what each does to a question or a ranking, and that a run tells of all of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.search import Ranking, Searchable
from evals.tried import order, rows, spelling
from evals.tried.__main__ import SETS, main
from evals.tried.synonyms import related
from evals.tried.typos import LONG, mistyped
from retrieval.spelling import one_slip
from retrieval.types import Reading
from tests.evals import data
from vouch.gateway.embed import Embedder

RANKING: Ranking = [((name, 0), score) for name, score in (("a", 1.0), ("b", 0.9), ("c", 0.5))]


@given(st.text("abcdefg hijkÄß", max_size=60), st.integers(0, 3))
def test_as_many_long_words_are_mistyped_by_one_slip_as_are_asked_for(question: str, slips: int) -> None:
    typed = mistyped(question, slips)
    assert typed == mistyped(question, slips)
    pairs = list(zip(question.split(" "), typed.split(" "), strict=True))
    wrong = [(meant, made) for meant, made in pairs if meant != made]
    assert len(wrong) == min(slips, sum(len(word) >= LONG for word in question.split(" ")))
    assert all(len(meant) >= LONG and (one_slip(meant, made) or one_slip(made, meant)) for meant, made in wrong)


def test_related_words_are_others_and_not_forms_of_the_same() -> None:
    assert "physician" in related("doctor", 3) and "doctors" not in related("doctor", 3)
    assert related("zorbot", 3) == ()


def test_variety_puts_off_what_resembles_what_stands_before() -> None:
    vectors = {("a", 0): [1.0, 0.0], ("b", 0): [1.0, 0.0], ("c", 0): [0.0, 1.0]}
    found = cast(Searchable, SimpleNamespace(vectors={key: np.array(one) for key, one in vectors.items()}))
    assert rows.documents(order.spread(found, RANKING, 1.0)) == ["a", "b", "c"]
    assert rows.documents(order.spread(found, RANKING, 0.5)) == ["a", "c", "b"]
    assert order.spread(found, [], 0.5) == []


def test_a_prior_raises_what_it_speaks_for() -> None:
    priors = {"b": 1.0, "c": 0.5}
    assert rows.documents(order.raised(RANKING, 0.05, lambda one: priors.get(one, 0))) == ["a", "b", "c"]
    assert rows.documents(order.raised(RANKING, 0.2, lambda one: priors.get(one, 0))) == ["b", "a", "c"]


def test_links_are_counted_once_a_page_and_not_to_itself() -> None:
    pages = {
        "a/x.md": "[y](../y.md) [y](../y.md#part) [me](x.md) [out](https://example.org/y.md)",
        "y.md": "[x](a/x.md)",
    }
    assert order.links(pages) == {"a/x.md": {"y.md"}, "y.md": {"a/x.md"}}


def test_the_newest_quarter_counts_most() -> None:
    assert order.recency(["2022 Q3 A.pdf", "2023 Q1 A.pdf", "2023 Q3 B.pdf", "notes.txt"]) == {
        "2022 Q3 A.pdf": 0,
        "2023 Q1 A.pdf": 0.5,
        "2023 Q3 B.pdf": 1,
    }
    assert order.recency(["notes.txt"]) == {}


def test_what_was_read_is_right_where_the_question_says_it() -> None:
    assert spelling._means("The Boundary layer", Reading("bounary", "boundary"))
    assert not spelling._means("The boundaries", Reading("bounary", "boundary"))


@pytest.fixture
def folder(embedder: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("evals.run.load_embedder", lambda _: embedder)
    monkeypatch.setenv("VOUCH_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VOUCH_EVAL_DATA", str(data.write(tmp_path / "data")))
    return tmp_path


def test_every_idea_is_measured_on_a_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "data" / "handbook-sourcegraph" / "files" / "rules" / "lunch.md"
    page.write_text(page.read_text() + "\n[Badges](badge.md)\n")
    assert main(["--set", "handbook"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"spelling", "synonyms", "diversity", "priors"}
    figures = {" ".join(line[:64].split()): line[64:].split() for line in lines}
    assert float(figures["spelling handbook 0 slips, as typed"][0]) == 1
    assert "read" in figures["spelling handbook 2 slips, read in the hits"]
    assert figures["diversity handbook variety, score counts 0.9"][-4] == "documents"
    assert any("links, less source pages: 0.05" in line for line in lines)


def test_an_idea_that_is_none_and_a_set_without_links_or_dates(folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sorcery"])
    assert "'sorcery' is none of spelling" in capsys.readouterr().err and "cranfield" in SETS
    assert main(["priors", "--set", "cranfield"]) == 0
    assert capsys.readouterr().out == ""
