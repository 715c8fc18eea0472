"""The benches of recall and of rerankers, and their way from the command line to the exit status."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evals.bench import rerank
from evals.bench.__main__ import main
from evals.bench.askers import SHARES, Population
from evals.bench.corpus import DIMENSIONS, PER_DOCUMENT, Corpus, Kept, MadeUp
from evals.bench.footprint import built
from evals.bench.recall import GENERATION, SEED, Planner, fill
from evals.bench.report import Report
from evals.bench.scale import laid
from evals.bench.served import _gaps
from evals.bench.words import ASKED, Words
from evals.datasets import RawDocument, RetrievalSet
from vouch.gateway.embed import Embedder
from vouch.index.edge import EdgeIndex

POINTS = 1_600


@pytest.fixture(params=["made up", "kept"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Corpus:
    print(f"seed {SEED}")
    if request.param == "made up":
        return MadeUp(POINTS, SEED)
    values = tmp_path / "values.f32"
    np.random.default_rng(SEED).standard_normal((POINTS // 8 * 9 + 5, DIMENSIONS)).astype(np.float32).tofile(values)
    return Kept(values, SEED)


def test_a_corpus_is_unit_rows_and_questions_are_none_of_them(corpus: Corpus) -> None:
    rows = np.concatenate([*corpus.vectors()])
    assert rows.shape == (POINTS, DIMENSIONS) and corpus.subject.shape == (POINTS // PER_DOCUMENT,)
    assert np.array_equal(rows, np.concatenate([*corpus.vectors()]))
    questions = corpus.questions(np.arange(20), np.random.default_rng(1))
    assert np.allclose(np.linalg.norm(np.concatenate([rows, questions]), axis=1), 1, atol=1e-5)
    assert (questions @ rows.T).max() < 0.999


def test_made_up_documents_of_a_subject_lie_near_each_other() -> None:
    corpus = MadeUp(POINTS, SEED)
    middles = np.concatenate([*corpus.vectors()]).reshape(-1, PER_DOCUMENT, DIMENSIONS).mean(axis=1)
    alike = corpus.subject[:, None] == corpus.subject[None, :]
    np.fill_diagonal(alike, False)
    cosine = middles @ middles.T
    assert cosine[alike].mean() > cosine[~alike].mean() + 0.2


def test_askers_see_what_the_bench_says_they_see(tmp_path: Path) -> None:
    corpus = MadeUp(POINTS, SEED)
    population = Population(corpus.subject, SEED)
    with closing(EdgeIndex(tmp_path, GENERATION, choose=Planner())) as index:
        fill(index, corpus, population)
        for asker in population.askers:
            assert index.count(asker.access, asker.where) == asker.sees.sum() * PER_DOCUMENT > 0, asker.name
    assert {asker.share for asker in population.askers} == {*SHARES, None}


def test_the_command_measures_and_says_whether_it_was_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["recall", "--points", str(POINTS), "--questions", "4", "--index", str(tmp_path)]
    assert main(command) == 0
    built = capsys.readouterr().out
    assert "index of 1600 points built in" in built
    assert main(command) == 0
    again = capsys.readouterr().out
    assert "built in" not in again
    for text in (built, again):
        assert "| recall@10 seeing 0.1%, worst of 6 ways | 1 | ≥ 0.98 | yes |" in text
        assert "| 50.0% clustered, 20 groups | 800 |" in text


def test_rerankers_are_timed_beside_the_embedder(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(f"The {n} guests of the hotel pay for {n} nights." for n in range(1_500)).encode()
    pages = tuple(RawDocument(name, f"{name}.md", name.title(), text) for name in ("hotel", "nights", "short"))
    pages = (*pages[:2], replace(pages[2], data=b"Too short a page."))
    data = RetrievalSet("handbook", pages, {str(n): f"question {n}" for n in range(9)}, {})
    monkeypatch.setattr(rerank, "data_folder", lambda: None)
    monkeypatch.setattr(rerank, "handbook_links", lambda _: data)
    monkeypatch.setattr(rerank, "load_embedder", lambda _: embedder)
    shown = list(rerank.candidates(pages, embedder))
    assert {one.document for one in shown} == {"hotel", "nights"} and len(shown) > 100
    lengths = embedder.count_tokens([one.text.partition("\n")[2] for one in shown])
    assert min(lengths) > 190 and max(lengths) < 215
    assert main(["rerank", "--rounds", "2"]) in (0, 1)
    assert "| document reranker, 50 candidates of 200 tokens, p50 |" in capsys.readouterr().out


def test_a_figure_that_is_missed_fails_the_bench() -> None:
    report = Report()
    report.add("recall", 0.97, "", at_least=0.98)
    assert not report.reached
    assert "| recall | 0.97 | ≥ 0.98 | NO |" in report.table()


def test_an_unknown_measurement_is_wrong_use() -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["weather"])
    assert exit_.value.code == 2


def test_made_up_words_fall_as_those_of_a_handbook_do() -> None:
    words = Words(SEED)
    chunks = [*words.chunks(0, 2_000)]
    assert chunks == [*words.chunks(0, 2_000)] != [*words.chunks(1, 2_000)]
    held = Counter(term for chunk in chunks for term in chunk.indices)
    shares = [count / 2_000 for _, count in held.most_common()]
    assert 0.25 < shares[0] < 0.5 and 0.05 < shares[99] < 0.1 and 0.004 < shares[999] < 0.015
    assert all(list(chunk.indices) == sorted(set(chunk.indices)) for chunk in chunks)
    questions = words.questions(300, np.random.default_rng(1))
    assert 0.1 < np.median([sum(held[term] for term in question.indices) / 2_000 for question in questions]) < 0.3
    assert all(0 < len(question.indices) <= ASKED for question in questions)


@pytest.mark.slow
def test_an_index_is_weighed_and_searched_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["scale", "--chunks", str(POINTS), "--questions", "4", "--index", str(tmp_path), "--way", "graph:64"]
    assert main(command) == 0
    made = capsys.readouterr().out
    for part in (
        f"{POINTS:,} chunks written in",
        "disk for a million",
        "of that anonymous",
        "| 0.1% clustered, 20 groups",
    ):
        assert part in made, part
    assert "|   recall@10 dense, worst | 1 | ≥ 0.98 | yes |" in made
    ground = laid(POINTS)
    assert built(tmp_path, ground) == built(tmp_path, ground)  # it is there: not made again
    with pytest.raises(SystemExit, match="1,600"):
        main([*command[:1], "--chunks", "800", *command[3:]])
    with pytest.raises(SystemExit, match="no way to search"):
        main([*command[:-1], "telepathy:3"])


def test_a_loop_that_was_blocked_is_seen_to_be() -> None:
    loop = asyncio.new_event_loop()
    serving = threading.Thread(target=loop.run_forever)
    serving.start()
    try:
        with _gaps(loop) as late:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result()  # it ticks by now
            loop.call_soon_threadsafe(time.sleep, 0.2)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        serving.join()
        loop.close()
    assert max(late) > 0.1


@pytest.mark.slow
def test_the_service_is_measured_beside_its_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["served", "--chunks", str(POINTS), "--searches", "16", "--index", str(tmp_path)])
    made = capsys.readouterr().out
    for part in ("| /v1/search, 0.1% seen, p95 |", "|   stage recheck, p50 |", "|   of the engine alone |"):
        assert part in made, part
