"""The runs on a small set of our own: real parser, chunker, embedder, index and extractor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import evals.__main__ as command
from evals import datasets, search
from evals.answers import AnswerReport
from evals.compare import compare
from evals.run import RUNS, Gate, failed, figures, gates, run_answers, run_search
from tests.evals import data
from vouch.core.errors import BadConfig, InvalidInput
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(autouse=True)
def _prepared(embedder: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("evals.run.load_embedder", lambda _: embedder)
    monkeypatch.setenv("VOUCH_EVAL_CACHE", str(tmp_path / "cache"))


def test_search_finds_what_is_relevant_in_every_mode(folder: Path) -> None:
    report = run_search("scifact", Settings(), data=folder)
    assert report.documents == len(data.TOPICS)
    assert {mode: f.ndcg_10 for mode, f in report.figures.items()} == dict.fromkeys(search.MODES, 1.0)
    assert report.excluding_source is None


def test_leaving_out_source_pages_is_reported_beside_and_not_instead(folder: Path) -> None:
    report = run_search("handbook", Settings(), data=folder)
    assert report.excluding_source is not None
    assert report.figures["hybrid"].queries == report.excluding_source["hybrid"].queries == len(data.QUESTIONS)
    named = figures(report)
    assert named["search.handbook.hybrid.ndcg_10"] == 1
    assert "search.handbook less source pages.hybrid.ndcg_10" in named


def test_a_source_page_is_left_out_of_its_own_query_alone() -> None:
    rankings = {"a": [("x", 0), ("y", 0), ("y", 1)], "b": [("x", 0)]}
    assert search._run(rankings, {"a": frozenset({"x"})}) == {"a": {"y": 1.0}, "b": {"x": 1.0}}


def test_answers_and_abstentions_are_told_apart(folder: Path) -> None:
    report = run_answers("clapnq", Settings(), data=folder)
    named = figures(report)
    assert named["answers.clapnq.f1"] == 1
    assert named["answers.clapnq.citation_f1"] > 0.6


def test_nothing_fitted_on_is_reported(folder: Path) -> None:
    held_out = {i.id for i in datasets.clapnq(folder) if datasets.half(i.id) == "held out"}
    report = run_answers("clapnq", Settings(), data=folder)
    assert 0 < len(held_out) < len(datasets.clapnq(folder))
    assert isinstance(report, AnswerReport)
    assert report.items == len(held_out)


def test_every_gate_and_reference_is_on_a_figure_that_is_measured(folder: Path) -> None:
    found = {
        name
        for names, run in RUNS.values()
        for each in names
        for name in figures(run(each, Settings(), data=folder, limit=10))
    }
    wanted, references = gates()
    assert {gate.figure for gate in wanted} | set(references) <= found


def test_gates_fail_below_above_and_unmeasured() -> None:
    wanted = (Gate("a", above=0.5), Gate("b", below=0.1), Gate("c", above=0.1))
    assert failed({"a": 0.51, "b": 0.09, "c": 0.2}, wanted) == []
    lines = failed({"a": 0.5, "b": 0.1}, wanted)
    assert [line.split()[0] for line in lines] == ["a", "b", "c"]
    assert "not measured" in lines[2]


def test_the_command_fails_when_a_gate_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evals", "search", "--set", "scifact", "--data", str(folder)])
    assert command.main() == 0
    assert "search.scifact.hybrid.ndcg_10" in capsys.readouterr().out
    monkeypatch.setattr(command, "gates", lambda: ((Gate("search.scifact.hybrid.ndcg_10", above=1.5),), {}))
    assert command.main() == 1
    assert "FAILED  search.scifact.hybrid.ndcg_10 is 1.0000; it should be > 1.500" in capsys.readouterr().out


def test_the_command_gives_json_that_can_be_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evals", "answers", "--set", "clapnq", "--data", str(folder), "--json"])
    assert command.main() == 0
    before = json.loads(capsys.readouterr().out)
    after = json.loads(json.dumps(before))
    assert not any(d.worse for d in compare(before, after))
    after["reports"][0]["figures"]["answers.clapnq.f1"] = 0.5
    assert [d.figure for d in compare(before, after) if d.worse] == ["answers.clapnq.f1"]
    with pytest.raises(InvalidInput):
        compare(before, {"reports": [1]})


def test_wrong_use_and_missing_data_are_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInput, match="scifact"):
        run_search("trec", Settings(), data=folder)
    with pytest.raises(InvalidInput, match="clapnq"):
        run_answers("trivia", Settings(), data=folder)
    monkeypatch.setenv("VOUCH_EVAL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(BadConfig, match="VOUCH_EVAL_DATA"):
        run_search("scifact", Settings())
    monkeypatch.setattr(sys, "argv", ["evals", "--set", "nothing", "--data", str(folder)])
    assert command.main() == 2
    assert "nothing" in capsys.readouterr().err
