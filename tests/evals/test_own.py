"""A company's own set: reviewed by a person, kept at once, taken up again, and put to the platform as its user."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evals import __main__ as evals_main
from evals import sets
from evals.compare.__main__ import main as compare_main
from evals.own import __main__ as own_main
from evals.own.expected import questions
from evals.own.folder import OwnSet, document_key, load
from evals.own.review import Review, standing
from evals.own.terminal import OwnTerminal
from evals.runs import load as load_run
from retrieval.api import create_app
from tests.client.conftest import served
from tests.retrieval.test_proposals import headed, link
from tests.retrieval.world import World, open_world
from vouch.catalog.database import Catalog
from vouch.client.evals import ProposedQuestion
from vouch.client.results import Hit
from vouch.core.errors import BadEvalSet, InvalidInput
from vouch.gateway.embed import Embedder


@dataclass
class Typed:
    """A person whose keys are known beforehand."""

    keys: str
    edits: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def key(self) -> str:
        first, self.keys = self.keys[:1], self.keys[1:]
        return first

    def edited(self, text: str) -> str:
        return self.edits.pop(0)

    def say(self, text: str) -> None:
        self.said.append(text)


def proposal(id_: str, question: str, *documents: str) -> ProposedQuestion:
    shown = {"version": 1, "title": "T\x1b[2J", "heading_path": [], "quote": "q"}
    evidence = [{"source_id": "s", "external_id": one, "document_id": one, **shown} for one in documents]
    kind = "link" if documents else "abstention"
    taken = [{"source_id": "s", "external_id": "index"}]
    return ProposedQuestion.model_validate(
        {"id": id_, "kind": kind, "question": question, "evidence": evidence, "taken_from": taken}
    )


def hits(*documents: str) -> list[Hit]:
    return [Hit.model_construct(source_id="s", external_id=one, title=one, text="") for one in documents]


PROPOSALS = [
    proposal("1", "how long leave is", "leave"),
    proposal("2", "where the bicycles are", "bikes"),
    proposal("3", "who books trains"),
    proposal("4", "what hotels cost", "travel"),
]


def reviewed(folder: Path, typed: Typed, found: Sequence[Hit] = ()) -> OwnSet:
    own = OwnSet.open(folder, "user:alice")
    Review(own, PROPOSALS, lambda question: found, typed).run()
    return own


def test_a_person_accepts_rejects_edits_undoes_and_goes_on_another_day(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    typed = Typed("aruea", ["how long may leave be"])
    own = reviewed(folder, typed)  # accepts 1, rejects 2, takes that back, edits and accepts 2, has enough
    assert [(one.id, one.question) for one in own.accepted] == [
        ("1", "how long leave is"),
        ("2", "how long may leave be"),
    ]
    assert not any("\x1b" in line for line in typed.said)

    other_day = Typed("a1x2" + "1a" + "s")  # of 3 nobody knows the answer: `a` alone says nothing
    own = reviewed(folder, other_day, hits("trains", "trains", "planes"))
    assert own.decided["3"].documents == ("s/planes",) and own.decided["4"].verdict == "skipped"
    assert any("say first by number" in line for line in other_day.said)
    data = load(folder)
    assert data.qrels == {"1": {"s/leave": 1}, "2": {"s/bikes": 1}, "3": {"s/planes": 1}}
    assert data.on_source["1"] == {"s/index"} and data.documents == ()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "3 accepted" in standing(own)
    own.undo()
    own.undo()
    assert set(OwnSet.open(folder, "user:alice").decided) == {"1", "2"}


def test_a_folder_that_is_another_users_or_something_else_is_refused(tmp_path: Path) -> None:
    reviewed(tmp_path / "set", Typed("a"))
    with pytest.raises(InvalidInput, match="user:alice"):
        OwnSet.open(tmp_path / "set", "user:bob")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes").touch()
    with pytest.raises(InvalidInput):
        OwnSet.open(tmp_path / "else", "user:alice")
    (tmp_path / "set" / "reviewed.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(BadEvalSet, match="line 1"):
        OwnSet.open(tmp_path / "set", "user:alice")
    assert document_key("s", "a\tb\n%") == "s/a%09b%0A%25"


def test_keys_are_read_from_a_terminal_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(ours, b"ar")
        terminal = OwnTerminal()
        assert (terminal.key(), terminal.key()) == ("a", "r")
    os.close(ours)


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A company that is served, and the environment by which commands find it."""
    for world in open_world(catalog, embedder, tmp_path):
        page = "This says what a hotel may cost, and how long parents stay away."
        start = world.document("Start", page, project=False)
        world.document("Travel", "Hotel costs are reimbursed up to 140 euros per night.", project=False)
        leave = world.document("Leave", "Every parent may take 20 weeks of paid parental leave.", allow=("group:hr",))
        link(world, start, page, "what a hotel may cost", "Travel")
        link(world, start, page, "how long parents stay away", "Leave", ordinal=1)
        headed(world, leave, ("Leave", "Weeks that are paid"))
        key = world.headers(None, "ask", "act_as")["Authorization"].removeprefix("Bearer ")
        with served(create_app(world.services)) as url:
            monkeypatch.setenv("VOUCH_URL", url)
            monkeypatch.setenv("VOUCH_API_KEY", key)
            yield world


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_set_is_made_of_what_its_user_may_read_and_measures_what_they_get(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "alices")
    assert own_main.main([folder, "--as", "alice", "--json"]) == 0
    listed = printed(capsys)["undecided"]
    assert {one["question"] for one in listed} == {
        "what a hotel may cost", "how long parents stay away", "Weeks that are paid",
    }  # fmt: skip
    decisions = tmp_path / "decisions.jsonl"
    lines = [{"id": one["id"], "decision": "rejected"} for one in listed if one["kind"] == "heading"]
    decisions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert own_main.main([folder, "--as", "alice", "--from", str(decisions), "--json"]) == 0
    assert len(printed(capsys)["undecided"]) == 2
    assert own_main.main([folder, "--as", "user:alice", "--accept-all", "--json"]) == 0
    assert printed(capsys)["accepted"] == 2

    out = str(tmp_path / "runs")
    asked = ["search", "--data", folder, "--out", out, "--json"]
    assert evals_main.main([*asked, "--profile", "default", "--profile", "lexical"]) == 0
    first = printed(capsys)
    assert first["reports"][0]["figures"]["search.alices.default.success_5"] == 1.0
    kept = load_run(Path(first["runs"][0]))
    assert kept.about["settings"]["user"] == "user:alice" and kept.about["settings"]["platform"].startswith("http://")
    assert kept.about["settings"]["index"] == [{"generation": "g1", "embedder": world.services.embedder.name}]
    assert set(kept.sets) == {"alices", "alices less source pages"}
    ranking = dict(kept.sets["alices"].ranked.asked[0].ranking)
    assert set(ranking) <= {"docs/Start", "docs/Travel", "docs/Leave"}

    world.member("hr", remove=["user:alice"])  # what its user may not read any more is missing, and is told so
    assert evals_main.main(asked) == 0
    assert printed(capsys)["reports"][0]["figures"]["search.alices.default.success_5"] == 0.5
    assert evals_main.main([*asked, "--profile", "hybrid+reranker"]) == 2


def test_feedback_becomes_questions_of_the_set_by_one_command(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what was asked alone; the command goes on with what was said since."""
    folder = tmp_path / "set"
    mine = [str(folder), "--as", "alice", "--from-feedback", "--accept-all", "--json"]
    for helpful, question in (
        (True, "Up to how much are hotel costs reimbursed per night?"),
        (False, "How many weeks of paid parental leave may a parent take?"),
    ):
        answer = world.ask("alice", question)
        assert answer["kind"] == "answer"
        world.post(f"/answers/{answer['answer_id']}/feedback", "alice", helpful=helpful)
    assert own_main.main(mine) == 0
    told = printed(capsys)
    assert told["accepted"] == 1 and [one["kind"] for one in told["undecided"]] == ["unhelpful"]
    made = load(folder)
    assert list(made.queries.values()) == ["Up to how much are hotel costs reimbursed per night?"]
    assert [set(relevant) for relevant in made.qrels.values()] == [{"docs/Travel"}]
    world.post(f"/answers/{answer['answer_id']}/feedback", "alice", helpful=True)
    assert own_main.main(mine) == 0
    assert printed(capsys)["accepted"] == 2 and len(load(folder).queries) == 2


def test_without_a_terminal_and_without_decisions_it_refuses(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a"))
    folder = tmp_path / "set"
    assert own_main.main([str(folder), "--as", "bob"]) == 2
    assert "no terminal" in capsys.readouterr().err and not folder.exists()
    decisions = tmp_path / "decisions.jsonl"
    for line in (
        '{"id": "nobody", "decision": "accepted"}',
        '{"id": 1}',
        "[]",
        "{",
        '{"id": "x", "decision": "maybe"}',
    ):
        decisions.write_text(line)
        assert own_main.main([str(folder), "--as", "bob", "--from", str(decisions)]) == 2
        assert "line 1" in capsys.readouterr().err
    assert own_main.main([str(folder), "--as", "bob", "--accept-all"]) == 0
    (query,) = load(folder).queries.values()  # of what bob may read alone
    assert query == "what a hotel may cost"
    assert "1 accepted" in capsys.readouterr().out


def test_the_sets_of_the_evaluation_know_it(tmp_path: Path) -> None:
    reviewed(tmp_path / "mine", Typed("a"))
    source = sets.source(str(tmp_path / "mine"))
    assert source.names == ("mine",) and source.own == tmp_path / "mine" and source.answers is None
    assert list(source.load("mine").queries.values()) == ["how long leave is"]


def test_its_questions_are_answered_by_the_platform_and_held_against_what_is_expected(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "asked"
    folder.mkdir()
    (folder / "own.json").write_text('{"format": 1, "user": "user:alice"}')
    hotel, leave = "docs/Travel", "docs/Leave"
    lines: list[dict[str, Any]] = [
        {"_id": "hotel", "question": "What are hotel costs reimbursed up to per night?",
         "expected": [{"document": hotel, "text": "reimbursed up to  140 euros"}]},
        {"_id": "leave", "question": "How many weeks of paid parental leave may every parent take?",
         "expected": [{"document": leave, "start": 0, "end": 10}]},
        {"_id": "wrong", "question": "How much are hotel costs reimbursed per night?",
         "expected": [{"document": leave}]},
        {"_id": "moon", "question": "Who painted the chapel on the moon?", "answerable": False},
    ]  # fmt: skip
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = ["answers", "--data", str(folder), "--out", str(tmp_path / "runs"), "--json"]
    assert evals_main.main(asked) == 0
    first = printed(capsys)
    (kept,) = load_run(Path(first["runs"][0])).sets.values()
    found = {one.query: one for one in kept.ranked.asked}
    assert {name: one.measures["right"] for name, one in found.items()} == {
        "hotel": 1, "leave": 1, "wrong": 0, "moon": 1,
    }  # fmt: skip
    assert found["hotel"].said and not found["moon"].said and found["hotel"].ranking[0][0] == hotel
    assert first["reports"][0]["figures"]["answers.asked.abstention_f1"] == 1.0
    assert "sentence_f1" in found["hotel"].measures and "sentence_f1" not in found["wrong"].measures

    world.member("hr", remove=["user:alice"])
    assert evals_main.main(asked) == 0
    second = printed(capsys)
    assert (
        second["reports"][0]["figures"]["answers.asked.right"] < first["reports"][0]["figures"]["answers.asked.right"]
    )
    assert compare_main([first["runs"][0], second["runs"][0]]) == 0  # four questions decide nothing
    assert "asked.abstention_precision" in capsys.readouterr().out


def test_without_expectations_the_sets_own_questions_are_answered(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    assert own_main.main([str(folder), "--as", "bob", "--accept-all", "--json"]) == 0
    capsys.readouterr()
    assert evals_main.main(["answers", "--data", str(folder), "--out", str(tmp_path / "runs"), "--json"]) == 0
    (report,) = printed(capsys)["reports"]
    assert report["items"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id": "1", "question": ""}', "missing_field"),
        ('{"_id": "1", "question": "q", "answerable": "no"}', "wrong_type"),
        ('{"_id": "1", "question": "q", "expected": {"document": "d"}}', "wrong_type"),
        ('{"_id": "1", "question": "q", "expected": [{"text": "t"}]}', "missing_field"),
        ('{"_id": "1", "question": "q", "expected": [{"document": "d", "start": 5, "end": 5}]}', "bad_span"),
        ('{"_id": "1", "question": "q", "answerable": false, "expected": [{"document": "d"}]}', "wrong_type"),
        ('{"_id": "1", "question": "q"}\n{"_id": "1", "question": "q"}', "duplicate_id"),
    ],
)
def test_a_row_of_answers_that_cannot_be_used_is_named(line: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(line)
    with pytest.raises(BadEvalSet) as caught:
        questions(tmp_path)
    assert (caught.value.extra["reason"], caught.value.extra["line"]) == (reason, 1 + line.count("\n"))
