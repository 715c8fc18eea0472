"""Answers judged: citations by ALCE's definitions, abstentions, planted conflicts, and two runs beside each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import evals.__main__ as command
from evals.answer_items import AnswerItem
from evals.compare.__main__ import main as compare_main
from evals.compare.compared import compare
from evals.datasets import Evidence, RawDocument, RetrievalSet, SpanSet, half
from evals.judged.citations import Citing, Statement, citing
from evals.judged.conflicts import Planted, planted, told
from evals.judged.figures import figures, is_judged, means, paired
from evals.judged.outcome import Outcome, Wanted, judged
from evals.judged.walk import Walk, Writer, extractive
from evals.profiles import Profile
from evals.ranked import Asked, Ranked
from evals.run import SetResult, run_answers
from evals.runs import Run, load
from evals.runs import Writer as RunWriter
from retrieval.types import Draft, DraftClaim, Freshness, Passage, Quote, Verdict
from retrieval.verify import judge
from tests.evals import data
from vouch.catalog.blobs import Blobs
from vouch.core.settings import Settings
from vouch.core.types import Span
from vouch.gateway.embed import Embedder
from vouch.gateway.fake_chat import FakeChat

FRESH = Freshness("fresh", None, None)


def holding(claim: str, quotes: Sequence[str]) -> tuple[Verdict, float]:
    """Each word of the claim is a fact; quotes support it when they hold all of them together."""
    held = set(" ".join(quotes).split())
    return ("supported", 1.0) if set(claim.split()) <= held else ("partial", 0.5)


@pytest.mark.parametrize(
    ("claim", "quotes", "recall", "precisions"),
    [
        ("a b", ("a b",), 1, [1]),
        ("a b", ("a", "b"), 1, [1, 1]),  # neither carries it alone, but it falls without either
        ("a b", ("a b", "c"), 1, [1, 0]),  # the second carries nothing, and nothing is lost with it
        ("a b", ("a b", "a b"), 1, [1, 1]),  # each carries it alone
        ("a b", ("a", "c"), 0, [0, 0]),
        ("a b", (), 0, []),
    ],
)
def test_citation_recall_and_precision_are_alces(
    claim: str, quotes: tuple[str, ...], recall: float, precisions: list[float]
) -> None:
    precision = sum(precisions) / len(precisions) if precisions else 0
    assert citing([Statement(claim, quotes)], holding) == Citing(recall, precision)


def test_an_answers_precision_is_over_its_citations_and_its_recall_over_its_claims() -> None:
    statements = [Statement("a", ("a", "x", "y")), Statement("b", ()), Statement("c", ("c",))]
    assert citing(statements, holding) == Citing(recall=2 / 3, precision=2 / 4)


# --- measures and figures ---------------------------------------------------------------------------


def outcome(*said: str, ms: float = 10.0, failed: bool = False) -> Outcome:
    statements = tuple(Statement(one, (one,)) for one in said)
    cited = tuple(Evidence("d", Span(10 * n, 10 * n + 5)) for n, _ in enumerate(said))
    return Outcome(statements, cited, drafted=2, supported=len(said), ms=ms, failed=failed, tokens=7, cost=0.25)


def asked(query: str, answerable: bool, found: Outcome, hit: float | None = 1.0, **more: float) -> Asked:
    return judged(Wanted(query, f"{query}?", answerable, {"d": 1} if answerable else {}), found, hit, holding, **more)


def test_what_there_is_nothing_to_measure_of_is_missing() -> None:
    answered, abstained = asked("1", True, outcome("a"), 0.5).measures, asked("2", False, outcome()).measures
    assert answered["right"] == answered["sentence_f1"] == 0.5 and answered["precision"] == answered["recall"] == 1
    assert abstained["right"] == abstained["abstention_precision"] == abstained["abstention_recall"] == 1
    assert not abstained.keys() & {"citation_recall", "citation_precision", "sentence_f1", "precision", "recall"}
    wrong, needless = asked("3", False, outcome("a")).measures, asked("4", True, outcome()).measures
    assert wrong["right"] == wrong["precision"] == wrong["abstention_recall"] == 0
    assert needless["right"] == needless["recall"] == needless["abstention_precision"] == 0
    assert needless["sentence_f1_all"] == 0 and "sentence_f1" not in needless
    assert asked("5", True, outcome("a"), None).measures["right"] == 1  # nobody marked what answers it
    assert answered["claim_support"] == 0.5


def answers(name: str, *rows: Asked) -> Ranked:
    return Ranked(name, rows)


def test_f1s_and_percentiles_are_of_all_questions() -> None:
    rows = [
        *(asked(f"a{n}", True, outcome("x", ms=n)) for n in range(6)),
        *(asked(f"b{n}", True, outcome(ms=90)) for n in range(2)),
        *(asked(f"c{n}", False, outcome("x", ms=50)) for n in range(1)),
        *(asked(f"d{n}", False, outcome(ms=100)) for n in range(3)),
    ]
    found = means(answers("s", *rows))
    assert found["precision"] == pytest.approx(6 / 7) and found["recall"] == pytest.approx(6 / 8)
    assert found["f1"] == pytest.approx(2 * 6 / (7 + 8))
    assert found["abstention_precision"] == pytest.approx(3 / 5) and found["abstention_recall"] == pytest.approx(3 / 4)
    assert found["abstention_f1"] == pytest.approx(2 * 3 / (5 + 4))
    times = [one.measures["latency_ms"] for one in rows]
    assert found["latency_p95_ms"] == pytest.approx(np.percentile(times, 95))
    assert found["cost"] == 0.25 and found["tokens"] == 7
    sure = figures(answers("s", *rows))
    assert sure.keys() == found.keys()
    assert all(one.low <= one.mean <= one.high and one.mean == found[name] for name, one in sure.items())


def test_a_run_of_no_answers_has_figures_all_the_same() -> None:
    found = means(answers("s", asked("1", True, outcome()), asked("2", False, outcome())))
    assert found["recall"] == 0 and "citation_recall" not in found and "f1" not in found


def rows(well: bool, of: int = 60) -> Ranked:
    return answers(
        "ours",
        *(
            asked(f"q{n}", n % 2 == 0, outcome(*(["x"] if n % 2 == 0 and (well or n % 4) else [])), 0.9)
            for n in range(of)
        ),
    )


def test_questions_are_paired_though_the_runs_abstain_on_others() -> None:
    found = {one.name: one for one in paired(rows(True), rows(False))}
    assert found["right"].difference.mean == pytest.approx(-0.9 / 4) and found["right"].losses == 15
    assert found["recall"].difference.mean == pytest.approx(-0.5)
    assert found["citation_recall"].queries == 15 and found["citation_recall"].difference.mean == 0
    assert found["abstention_precision"].a == 1 and found["abstention_precision"].b == pytest.approx(30 / 45)
    assert found["abstention_f1"].difference.high < 0
    same = {one.name: one.difference for one in paired(rows(True), rows(True))}
    assert {(one.mean, one.low, one.high, one.p) for one in same.values()} == {(0, 0, 0, 1)}


def test_less_time_and_money_is_a_win() -> None:
    dear = answers("s", *(asked(f"q{n}", True, replace(outcome("x"), cost=2)) for n in range(9)))
    cheap = answers("s", *(asked(f"q{n}", True, outcome("x")) for n in range(9)))
    (cost,) = [one for one in paired(dear, cheap) if one.name == "cost"]
    assert cost.difference.mean == -1.75 and (cost.wins, cost.losses) == (9, 0)


def kept(folder: Path, name: str, found: Ranked) -> Run:
    writer = RunWriter(name, folder)
    documents = (RawDocument("d", "d.txt", "", b"text"),)
    writer.add(RetrievalSet(found.name, documents, {}, {}), SetResult(Profile("p"), {}, 0, (), (found,)))
    return load(writer.close())


def test_a_run_of_answers_is_read_as_it_was_written_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = kept(tmp_path, "a", rows(True)), kept(tmp_path, "b", rows(False))
    read = a.sets["ours"].ranked
    assert is_judged(read) and read == rows(True)
    (about,) = a.about["sets"]
    assert about["figures"]["right"]["low"] <= about["figures"]["right"]["mean"] and "abstention_f1" in about["figures"]
    found = compare(a, b)
    (decided,) = found.deciding
    assert decided.measure == "right" and found.worse == (decided,)
    page = tmp_path / "page.html"
    assert compare_main([str(a.folder), str(b.folder), "--html", str(page)]) == 1
    assert "ours.right*" in capsys.readouterr().out and "no answer" in page.read_text()
    assert compare_main([str(a.folder), str(a.folder)]) == 0


def test_answers_to_what_is_otherwise_answerable_are_not_compared(tmp_path: Path) -> None:
    flipped = answers("ours", *(replace(one, answerable=not one.answerable) for one in rows(True).asked))
    a, b = kept(tmp_path, "a", rows(True)), kept(tmp_path, "b", flipped)
    assert a.sets["ours"].questions != b.sets["ours"].questions


# --- the walk ---------------------------------------------------------------------------------------


def passage(n: int, document: str, text: str, at: int = 0, modified: datetime | None = None) -> Passage:
    return Passage(n, document, document, 1, document, "", Span(at, at + len(text)), text, (), (), 1.0, modified, FRESH)


def test_what_the_walk_gives_is_what_verification_leaves(embedder: Embedder, tmp_path: Path) -> None:
    text = "Preface. Hotels cost up to 140 euros a night. Trains are preferred."
    shown = (passage(1, "travel", text[9:], at=9),)
    draft = Draft(
        (
            DraftClaim("Hotels cost up to 140 euros a night.", (Quote(1, Span(9, 45), text[9:45]),), 1.0),
            DraftClaim("Hotels cost up to 190 euros a night.", (Quote(1, Span(9, 45), text[9:45]),), 1.0),
            DraftClaim("Trains are preferred.", (Quote(2, Span(46, 67), text[46:67]),), 1.0),
        ),
        0.9,
        "made",
    )
    walk = Walk(Writer("made", lambda _, __: draft), embedder, Blobs(str(tmp_path)))
    found = walk("What do hotels cost?", shown, {"travel": text})
    assert [one.text for one in found.statements] == [text[9:45]]
    assert found.cited == (Evidence("travel", Span(9, 45)),)
    assert (found.drafted, found.supported) == (3, 1)
    strict = Walk(Writer("made", lambda _, __: draft, threshold=0.95), embedder, Blobs(str(tmp_path)))
    assert not strict("What do hotels cost?", shown, {"travel": text}).answered


NIGHTS = "The hotel limit outside the capital is 140 euros a night for every employee."


def two_documents() -> tuple[tuple[Passage, ...], dict[str, str]]:
    other = NIGHTS.replace("140", "170")
    passages = (
        passage(1, "old", NIGHTS, modified=datetime(2023, 1, 1, tzinfo=UTC)),
        passage(2, "new", other, modified=datetime(2024, 1, 1, tzinfo=UTC)),
    )
    return passages, {"old": NIGHTS, "new": other}


def test_a_conflict_is_told_with_the_newer_document_first(embedder: Embedder, tmp_path: Path) -> None:
    walk = Walk(extractive(embedder), embedder, Blobs(str(tmp_path)))
    passages, texts = two_documents()
    found = walk("What is the hotel limit outside the capital a night?", passages, texts)
    whole = Span(0, len(NIGHTS))
    newer, older = Evidence("new", whole), Evidence("old", whole)
    assert found.conflicts == ((newer, older),) and found.cited == (newer, older)


def test_planted_documents_disagree_in_one_figure_and_are_dated(embedder: Embedder) -> None:
    text = f"{data.FILLER} {NIGHTS}"
    at = text.index("140")
    queries = [f"q{n}" for n in range(40)]
    questions = SpanSet(
        "s",
        {"t": ("Hotels", text), **{f"o{n}": (f"Other {n}", f"{data.FILLER} Page {n}.") for n in range(8)}},
        dict.fromkeys(queries, "What is the hotel limit outside the capital a night?"),
        {query: [("t", Span(at, at + 3))] for query in queries},
    )
    found = list(planted(questions, embedder, seed=1))
    assert len(found) == sum(half(f"{query} answerable") == "fit" for query in queries)
    conflicting = [one for one in found if one.pair is not None]
    assert 0 < len(conflicting) < len(found)
    for one in conflicting:
        newer, older = (_passage(one.item, place) for place in one.pair or ())
        assert newer.modified_at and older.modified_at and newer.modified_at > older.modified_at
        assert {p.text[p.text.index("14") :][:3] for p in (newer, older)} == {"140", "143"}
        for place in one.pair or ():
            assert place.span.of(one.item.texts[place.document]).startswith("The hotel limit")
        assert len(one.item.gold) == 2 and one.item.gold <= set(one.item.sentences)
    assert found == list(planted(questions, embedder, seed=1))


def _passage(item: AnswerItem, place: Evidence) -> Passage:
    return next(
        one for one in item.passages if one.document_id == place.document and one.span.start <= place.span.start
    )


def test_only_both_documents_newer_first_count_as_a_conflict_shown(embedder: Embedder) -> None:
    newer, older = Evidence("n", Span(0, 9)), Evidence("o", Span(0, 9))
    item = AnswerItem("q", "s", "?", (), (), frozenset(), True, {})
    one, agreeing = Planted(item, (newer, older)), Planted(item, None)
    both = replace(outcome("x"), cited=(newer, older), conflicts=((newer, older),))
    assert told(one, both) == {"conflict_shown": 1, "newer_first": 1}
    turned = replace(both, cited=(older, newer), conflicts=((older, newer),))
    assert told(one, turned) == {"conflict_shown": 1, "newer_first": 0}
    assert told(one, replace(both, conflicts=())) == {"conflict_shown": 0}
    assert told(one, replace(both, conflicts=((newer, Evidence("p", Span(0, 9))),))) == {"conflict_shown": 0}
    assert told(agreeing, both) == {"false_conflict": 1} and told(agreeing, outcome("x")) == {"false_conflict": 0}


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("evals.run.load_embedder", lambda _: embedder)
    monkeypatch.setenv("VOUCH_EVAL_CACHE", str(tmp_path / "cache"))
    return data.write(tmp_path / "evaluation")


def test_a_chat_model_is_judged_as_the_product_asks_it_and_held_against_the_extractor(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["answers", "--set", "clapnq", "--data", str(folder), "--out", str(tmp_path / "runs"), "--json"]
    command.main(given)
    ours = json.loads(capsys.readouterr().out)
    with FakeChat("paraphrased") as chat:
        monkeypatch.setenv("VOUCH_CHAT_URL", chat.url)
        monkeypatch.setenv("VOUCH_CHAT_MODEL", "chat")
        command.main([*given, "--model", "chat"])
        theirs = json.loads(capsys.readouterr().out)
        chat.behave("server_error")
        command.main([*given, "--model", "chat"])
        broken = json.loads(capsys.readouterr().out)["reports"][0]["figures"]
        assert command.main([*given, "--model", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    (report,) = theirs["reports"]
    figures = report["figures"]
    assert figures["answers.clapnq.recall"] == 1 and figures["answers.clapnq.tokens"] > 0
    assert 0 < figures["answers.clapnq.citation_recall"] <= 1
    assert broken["answers.clapnq.failed"] == 1 and broken["answers.clapnq.recall"] == 0
    a, b = (load(Path(one["runs"][0])) for one in (ours, theirs))
    assert (a.about["settings"]["writer"], b.about["settings"]["writer"]) == ("extractive", "chat")
    assert {one.measure for one in compare(a, b).differences} >= {"right", "f1", "citation_recall", "latency_p95_ms"}


def test_the_judge_of_support_is_a_parameter(folder: Path) -> None:
    def never(claim: str, quotes: Sequence[str]) -> tuple[Verdict, float]:
        return "unsupported", 0.0

    by_ours = run_answers("clapnq", Settings(), data=folder, limit=8, judge=judge)
    by_none = run_answers("clapnq", Settings(), data=folder, limit=8, judge=never)
    assert means(by_ours.ranked)["citation_recall"] == means(by_ours.ranked)["citation_precision"] == 1
    assert means(by_none.ranked)["citation_recall"] == means(by_none.ranked)["citation_precision"] == 0
