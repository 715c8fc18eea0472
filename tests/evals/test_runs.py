"""The runs on a small set of our own: real parser, chunker, embedder, index and extractor."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import evals.__main__ as command
from evals import beir, datasets, ranked, sets
from evals.answers import AnswerReport
from evals.datasets import Evidence, RawDocument, RetrievalSet
from evals.failing import FailingReport
from evals.gates import Gate, failed, gates
from evals.guards import GUARDS, SERVED
from evals.profiles import STANDING, ChunkSize, Profile, fingerprint, profile
from evals.quoted import QuoteReport
from evals.ranked import Found
from evals.run import (
    ANSWERS,
    GROUNDEDNESS,
    SearchReport,
    figures,
    run_answers,
    run_groundedness,
    run_reuse,
    run_search,
)
from evals.runs import load
from tests.evals import data
from vouch.core.errors import BadConfig, BadEvalSet, InvalidInput
from vouch.core.settings import Settings
from vouch.core.types import Span
from vouch.gateway.embed import Embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(autouse=True)
def _prepared(embedder: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("evals.run.load_embedder", lambda _: embedder)
    monkeypatch.setenv("VOUCH_EVAL_CACHE", str(tmp_path / "cache"))


def _search(name: str, folder: Path, *profiles: Profile, limit: int | None = None) -> SearchReport:
    return run_search(sets.load(name, folder), profiles or STANDARD, Settings(), limit=limit)


STANDARD = tuple(profile(name) for name in STANDING)


def test_search_finds_what_is_relevant_by_every_standing_profile(folder: Path) -> None:
    report = _search("scifact", folder)
    assert [one.profile.name for one in report.results] == list(STANDING)
    for result in report.results:
        (one,) = result.ranked
        assert one.means["ndcg_10"] == one.means["success_5"] == 1, result.profile.name
        assert len(one.asked) == len(data.QUESTIONS)
        assert one.asked[0].ranking[0][0] == "leave"
        scores = [score for _, score in one.asked[0].ranking]
        assert scores == sorted(scores, reverse=True)


def test_leaving_out_source_pages_is_reported_beside_and_not_instead(folder: Path) -> None:
    report = _search("handbook", folder)
    whole, less = report.results[2].ranked
    assert len(whole.asked) == len(less.asked) == len(data.QUESTIONS)
    named = figures(report)
    assert named["search.handbook.hybrid.ndcg_10"] == 1
    assert "search.handbook less source pages.hybrid.ndcg_10" in named


def test_a_source_page_is_left_out_of_its_own_query_alone() -> None:
    documents = tuple(RawDocument(name, f"{name}.txt", "", b"") for name in "xyz")
    asked = RetrievalSet("s", documents, {"a": "a?", "b": "b?"}, {"a": {"y": 1}, "b": {"x": 1}}, {"a": frozenset("x")})
    found = [Found("x", 3), Found("y", 2), Found("y", 1), Found("z", 0.5)]
    whole, less = ranked.put(asked, lambda _: found)
    assert [one.ranking for one in whole.asked] == [(("x", 3), ("y", 2), ("z", 0.5))] * 2
    assert [one.ranking for one in less.asked] == [(("y", 2), ("z", 0.5)), (("x", 3), ("y", 2), ("z", 0.5))]
    assert less.name == "s less source pages"
    assert less.means["mrr_10"] == 1 > whole.means["mrr_10"]


def test_questions_without_judgements_are_not_asked() -> None:
    heard: list[str] = []
    asked = RetrievalSet("s", (), {"a": "a?", "b": "b?", "c": "c?"}, {"b": {"x": 1}, "c": {"x": 1}})
    (only,) = ranked.put(asked, lambda question: heard.append(question) or [], limit=1)
    assert heard == ["b?"]
    assert only.means == {"ndcg_10": 0, "recall_100": 0, "mrr_10": 0, "success_5": 0}


def test_passages_are_held_against_evidence(folder: Path) -> None:
    (result,) = _search("chunk-spans", folder, profile("hybrid")).results
    (one,) = result.ranked
    assert one.means["evidence_recall_5"] == 1
    assert 0 < one.means["evidence_precision_5"] < 1
    assert one.means["evidence_iou_5"] == pytest.approx(one.means["evidence_precision_5"])  # nothing was missed
    texts = {d.id: d.data.decode() for d in sets.load("chunk-spans", folder).documents}
    best, _ = one.asked[0].passages[0]
    assert data.TOPICS["leave"][1] in best.span.of(texts[best.document])


def test_evidence_is_found_where_the_set_has_it_though_reading_squeezes_the_text() -> None:
    fact = "Hotels may cost 140 euros a night."
    text = f"Written     by the people   team.\n\n\n\n\nAsk    them.\n\n\n\n{fact}\n\n\nNothing   more."
    span = Span(text.index(fact), text.index(fact) + len(fact))
    documents = (RawDocument("d", "d.txt", "", text.encode()),)
    asked = RetrievalSet("s", documents, {"q": "hotels?"}, {"q": {"d": 1}}, evidence={"q": (Evidence("d", span),)})
    (result,) = run_search(asked, [Profile("p", chunk=ChunkSize(8, 12))], Settings()).results
    (one,) = result.ranked[0].asked
    assert one.measures["evidence_recall_5"] == 1
    assert fact in {passage.span.of(text) for passage, _ in one.passages}


def test_a_profile_of_smaller_chunks_cuts_smaller(folder: Path) -> None:
    small = Profile("small", chunk=ChunkSize(12, 14))
    report = _search("handbook", folder, profile("hybrid"), small, limit=2)
    usual, fine = report.results
    assert fine.chunks > usual.chunks
    assert fine.choices["chunk_target"] == 12
    assert fingerprint(fine.choices) != fingerprint(usual.choices) == fingerprint(dict(usual.choices))


def test_answers_and_abstentions_are_told_apart(folder: Path) -> None:
    report = run_answers("clapnq", Settings(), data=folder)
    named = figures(report)
    assert named["answers.clapnq.f1"] == 1
    assert named["answers.clapnq.sentence_f1"] > 0.6


def test_nothing_fitted_on_is_reported(folder: Path) -> None:
    held_out = {i.id for i in datasets.clapnq(folder) if datasets.half(i.id) == "held out"}
    report = run_answers("clapnq", Settings(), data=folder)
    assert 0 < len(held_out) < len(datasets.clapnq(folder))
    assert isinstance(report, AnswerReport)
    assert len(report.ranked.asked) == len(held_out)


def test_every_gate_and_reference_is_on_a_figure_that_is_measured(folder: Path) -> None:
    reports = [_search(name, folder, limit=10) for name in sets.SETS]
    found = {name for report in reports for name in figures(report)}
    found |= {name for each in ANSWERS for name in figures(run_answers(each, Settings(), data=folder, limit=10))}
    found |= {name for guard, run in GUARDS.items() if guard not in SERVED for name in run(folder).figures()}
    found |= QuoteReport("quotes", 1, 1, 1, 0, {}).figures().keys() | FailingReport("", 1, {}, 0, 0).figures().keys()
    found |= figures(run_reuse(Settings(), data=folder, limit=3)).keys()
    found |= {
        name for each in GROUNDEDNESS for name in figures(run_groundedness(each, Settings(), data=folder, limit=6))
    }
    wanted, references = gates()
    assert {gate.figure for gate in wanted} | set(references) <= found


def test_gates_fail_below_above_and_unmeasured() -> None:
    wanted = (Gate("a", above=0.5), Gate("b", below=0.1), Gate("c", above=0.1))
    assert failed({"a": 0.51, "b": 0.09, "c": 0.2}, wanted) == []
    lines = failed({"a": 0.5, "b": 0.1}, wanted)
    assert [line.split()[0] for line in lines] == ["a", "b", "c"]
    assert "not measured" in lines[2]


def _run(*arguments: object) -> int:
    return command.main([str(one) for one in arguments])


def test_the_command_fails_when_a_gate_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("search", "--set", "scifact", "--data", folder) == 0
    assert "search.scifact.hybrid.ndcg_10" in capsys.readouterr().out
    monkeypatch.setattr(command, "gates", lambda: ((Gate("search.scifact.hybrid.ndcg_10", above=1.5),), {}))
    assert _run("search", "--set", "scifact", "--data", folder) == 1
    assert "FAILED  search.scifact.hybrid.ndcg_10 is 1.0000; it should be > 1.500" in capsys.readouterr().out


def test_each_profile_leaves_a_run_of_all_its_sets(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sets, "SETS", {name: sets.SETS[name] for name in ("scifact", "chunk-spans")})
    chosen = ("--profile", "lexical", "--profile", "dense")
    assert _run("search", "--data", folder, *chosen, "--out", tmp_path, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert [Path(path).name.rpartition("Z-")[2] for path in body["runs"]] == ["lexical", "dense"]
    assert not body["failed"]  # gates of other sets and profiles are not asked for
    for path in body["runs"]:
        run = load(Path(path))
        assert list(run.sets) == ["scifact", "chunk-spans"]
        assert run.about["settings"]["mode"] == run.name


def test_a_set_of_ones_own_is_run_without_our_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data.abstracts(tmp_path / "scifact")  # even where it is called as one of ours
    monkeypatch.setattr(command, "gates", lambda: ((Gate("search.scifact.default.ndcg_10", above=1.5),), {}))
    assert _run("search", "--data", tmp_path / "scifact", "--profile", "default", "--out", tmp_path / "runs") == 0
    told = capsys.readouterr().out
    assert "search.scifact.default.success_5" in told and "kept in" in told
    (folder,) = (tmp_path / "runs").iterdir()
    (kept,) = load(folder).sets.values()
    assert [one.text for one in kept.ranked.asked] == list(data.QUESTIONS.values())


def test_wrong_use_and_missing_data_are_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInput, match="scifact"):
        sets.load("trec", folder)
    with pytest.raises(InvalidInput, match="clapnq"):
        run_answers("trivia", Settings(), data=folder)
    monkeypatch.setenv("VOUCH_EVAL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(BadConfig, match="VOUCH_EVAL_DATA"):
        sets.load("scifact")
    assert _run("--set", "nothing", "--data", folder) == 2
    assert "nothing" in capsys.readouterr().err
    assert _run("search", "--data", tmp_path / "nowhere") == 2
    assert _run("search", "--data", folder, "--profile", "magic") == 2
    assert "hybrid+reranker" in capsys.readouterr().err
    assert _run("answers", "--data", "scifact") == _run("answers", "--data", folder, "--profile", "hybrid") == 2
    own = tmp_path / "own"
    data.abstracts(own)
    (own / "queries.jsonl").write_text("{}\n")
    capsys.readouterr()
    assert _run("search", "--data", own, "--out", tmp_path / "runs", "--json") == 2
    problem = json.loads(capsys.readouterr().err)
    assert (problem["code"], problem["line"], problem["reason"]) == ("bad_eval_set", 1, "missing_field")
    assert not (tmp_path / "runs").exists()


def test_evidence_in_a_text_that_reading_changes_is_refused(tmp_path: Path) -> None:
    data.abstracts(tmp_path)
    row = {"_id": "odd", "text": "Ein Cafe\u0301 am Markt."}
    with gzip.open(tmp_path / "corpus.jsonl.gz", "at") as corpus:
        corpus.write(json.dumps(row) + "\n")
    (tmp_path / "spans.jsonl").write_text('{"query_id": "q-leave", "doc_id": "odd", "start": 4, "end": 8}\n')
    with pytest.raises(BadEvalSet, match="NFC"):
        run_search(beir.load(tmp_path, "own"), [profile("lexical")], Settings())
