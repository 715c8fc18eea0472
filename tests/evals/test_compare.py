"""Two kept runs: what is written is read back, what differs is found, and the page shows it and runs nothing."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evals import ranked
from evals.compare.__main__ import main
from evals.compare.compared import compare
from evals.datasets import Evidence, RawDocument, RetrievalSet
from evals.profiles import Profile
from evals.ranked import Found
from evals.run import SetResult
from evals.runs import Run, Writer, load
from vouch.core.errors import BadEvalRun
from vouch.core.types import Span

HOSTILE = "<script>alert(1)</script> \"'&</style> in Zürich?"
DOCUMENTS = tuple(RawDocument(f"d{n}", f"d{n}.txt", "", b"x" * 100) for n in range(20))


def made(name: str = "ours", questions: int = 60) -> RetrievalSet:
    queries = {f"q{n}": f"Question {n}?" for n in range(questions)} | {"q7": HOSTILE}
    return RetrievalSet(name, DOCUMENTS, queries, {query: {"d0": 1} for query in queries})


def at(places: Callable[[int], int]) -> Callable[[int], ranked.Search]:
    """Searches that find the relevant document at ``places(n)`` of question n."""

    def of(questions: int) -> ranked.Search:
        numbers = iter(range(questions))

        def search(question: str) -> list[Found]:
            place = places(next(numbers))
            others = [f"d{n}" for n in range(1, 20)]
            order = [*others[: place - 1], "d0", *others[place - 1 :]]
            return [Found(document, 1 / rank) for rank, document in enumerate(order, 1)]

        return search

    return of


def kept(tmp_path: Path, name: str, *sets: tuple[RetrievalSet, Callable[[int], ranked.Search]]) -> Run:
    writer = Writer(name, tmp_path)
    for data, search in sets:
        found = ranked.put(data, search(len(data.queries)))
        writer.add(data, SetResult(Profile(name), {"mode": "hybrid"}, 3, ("d19",), found))
    return load(writer.close())


GOOD, BAD = at(lambda n: 1 + n % 3), at(lambda n: 4 + n % 3)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    data = replace(made(), evidence={"q0": (Evidence("d0", Span(3, 9)),)})
    found = ranked.put(data, lambda _: [Found("d0", 1 / 3, Span(0, 9))])
    writer = Writer("a b/../c", tmp_path)
    assert writer.folder.parent == tmp_path
    with pytest.raises(BadEvalRun, match="broken off"):
        load(writer.folder)
    writer.add(data, SetResult(Profile("p"), {"mode": "dense"}, 3, ("d19",), found))
    run = load(writer.close())
    (one,) = run.sets.values()
    assert one.ranked.asked[0].passages == ((Evidence("d0", Span(0, 9)), 0.333333),)
    assert one.ranked.asked[0].evidence == data.evidence["q0"]
    assert [asked.measures for asked in one.ranked.asked] == [asked.measures for asked in found[0].asked]
    about = run.about
    assert about["fingerprint"] and about["seed"] and about["began"].endswith("Z")
    (row,) = about["sets"]
    assert (row["chunks"], row["rejected"], row["queries"], row["documents"]) == (3, ["d19"], 60, 20)
    assert row["figures"]["evidence_recall_5"]["mean"] == 1  # of the one question whose evidence is known
    assert {one.measure: one.queries for one in compare(run, run).differences}["evidence_recall_5"] == 1
    figure = row["figures"]["mrr_10"]
    assert figure["low"] <= figure["mean"] <= figure["high"]


def test_runs_of_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    assert len({Writer("a", tmp_path).folder for _ in range(3)}) == 3


@pytest.mark.parametrize("change", ["query", "row", "json", "format"])
def test_a_run_that_was_changed_is_refused(change: str, tmp_path: Path) -> None:
    run = kept(tmp_path, "a", (made(), GOOD))
    file, about = run.folder / "ours.jsonl.gz", run.folder / "run.json"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    if change == "query":
        lines[0] = lines[0].replace("Question 0?", "Question O?")
    elif change == "row":
        lines.pop()
    elif change == "json":
        lines[0] = lines[0][:-4]
    else:
        about.write_text(about.read_text().replace('"format": 1', '"format": 9'))
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(BadEvalRun) as caught:
        load(run.folder)
    assert caught.value.extra["reason"] == ("other_format" if change == "format" else "damaged")


def test_a_run_against_itself_is_even(tmp_path: Path) -> None:
    run = kept(tmp_path, "a", (made(), GOOD))
    found = compare(run, run)
    assert {(one.difference, one.low, one.high, one.p) for one in found.differences} == {(0, 0, 0, 1)}
    assert not found.worse and not found.worst
    assert all((one.wins, one.losses, one.ties) == (0, 0, 60) for one in found.differences)


def test_what_fell_everywhere_is_worse_and_the_other_way_round_better(tmp_path: Path) -> None:
    a, b = kept(tmp_path, "a", (made(), GOOD)), kept(tmp_path, "b", (made(), BAD))
    found = compare(a, b)
    (decided,) = found.deciding
    assert (decided.measure, decided.losses, decided.wins) == ("ndcg_10", 60, 0)
    assert decided.high < 0 and found.worse == (decided,)
    assert len(found.worst) == 20
    assert found.worst[0].gain == min(pair.gain for pair in found.pairs["ours"])
    (turned,) = compare(b, a).deciding
    assert turned.verdict == "better" and turned.difference == pytest.approx(-decided.difference)
    assert found == compare(a, b) != compare(a, b, seed=1)


def test_noise_is_even(tmp_path: Path) -> None:
    places = [1 + n % 6 for n in range(60)]
    mixed = list(places)
    random.Random(2).shuffle(mixed)
    a, b = kept(tmp_path, "a", (made(), at(places.__getitem__))), kept(tmp_path, "b", (made(), at(mixed.__getitem__)))
    found = compare(a, b)
    assert not found.worse
    assert found.worst  # single questions did lose


def test_a_few_questions_do_not_decide_and_many_sets_are_held_against_chance(tmp_path: Path) -> None:
    slightly = at(lambda n: 1 + n % 3 + (n < 5))
    few = compare(kept(tmp_path, "a", (made("few", 9), GOOD)), kept(tmp_path, "b", (made("few", 9), BAD)))
    assert few.deciding[0].p < 0.01 and not few.worse
    one = compare(kept(tmp_path, "a", (made(), GOOD)), kept(tmp_path, "b", (made(), slightly)))
    assert one.worse
    names = [f"s{n}" for n in range(12)]
    many = compare(
        kept(tmp_path, "a", *((made(name), GOOD) for name in names)),
        kept(tmp_path, "b", (made("s0"), slightly), *((made(name), GOOD) for name in names[1:])),
    )
    assert many.deciding[0].p == pytest.approx(one.deciding[0].p)
    assert not many.worse


def test_sets_of_one_run_alone_and_other_texts_are_told_and_other_questions_refused(tmp_path: Path) -> None:
    a = kept(tmp_path, "a", (made(), GOOD), (made("more"), GOOD))
    b = kept(tmp_path, "b", (replace(made(), documents=DOCUMENTS[:-1]), GOOD))
    found = compare(a, b)
    assert (found.alone, found.moved) == (("more",), ("ours",))
    other = kept(tmp_path, "c", (made(questions=59), GOOD))
    with pytest.raises(BadEvalRun) as caught:
        compare(a, other)
    assert caught.value.extra["reason"] == "other_set"
    with pytest.raises(BadEvalRun) as caught:
        compare(b, kept(tmp_path, "d", (made("more"), GOOD)))
    assert caught.value.extra["reason"] == "nothing_shared"


def test_recall_of_evidence_decides_where_it_is_known(tmp_path: Path) -> None:
    data = replace(made(), evidence={query: (Evidence("d0", Span(0, 50)),) for query in made().queries})

    def holding(end: int) -> Callable[[int], ranked.Search]:
        return lambda _: lambda _: [Found("d0", 1.0, Span(0, end))]

    found = compare(kept(tmp_path, "a", (data, holding(50))), kept(tmp_path, "b", (data, holding(25))))
    (decided,) = found.deciding
    assert (decided.measure, decided.difference) == ("evidence_recall_5", pytest.approx(-0.5))
    assert found.worse


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [f"{name}={value}" for name, value in attrs if name in ("src", "href") or name[:2] == "on"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_the_worst_beside_each_other_and_questions_stay_text(tmp_path: Path) -> None:
    worst = at(lambda n: 15 if n == 7 else 1 + n % 3)
    a, b = kept(tmp_path, "a", (made(), GOOD)), kept(tmp_path, "b<i>", (made(), worst))
    assert main([str(a.folder), str(b.folder), "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    read = _Tags()
    read.feed(page)
    assert "script" not in read.tags and "i" not in read.tags and read.addresses == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert "prefers-color-scheme: dark" in page and "default-src 'none'" in page
    assert HOSTILE in read.text
    drawn = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len([ElementTree.fromstring(one) for one in drawn]) == 2
    shown = page[page.index("Questions that lost most") :]
    assert shown.count('<li class="hit">') == 1  # A has it; B's lies deeper than is shown
    assert shown.count("<ol>") == 2


def test_the_command_tells_and_fails_when_b_is_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOUCH_EVAL_CACHE", str(tmp_path))
    a, b = kept(tmp_path / "runs", "a", (made(), GOOD)), kept(tmp_path / "runs", "b", (made(), BAD))
    assert main([a.folder.name, str(b.folder)]) == 1
    told = capsys.readouterr().out
    assert "ours.ndcg_10*" in told and "WORSE" in told and "0/60/0" in told and "B is worse where" in told
    assert main([str(b.folder), str(a.folder), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["worse"] is False and body["a"]["name"] == "b"
    assert {one["verdict"] for one in body["differences"]} == {"better", "even"}
    assert main([str(tmp_path), str(b.folder), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["reason"] == "no_run"
    assert main([str(a.folder), str(b.folder), "--html", str(tmp_path / "no" / "where")]) == 2
