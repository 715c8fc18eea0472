"""`vouch trace` on a platform: what is drawn for who asked, for an administrator, and of an old trace."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from retrieval.rounds import as_one
from tests.retrieval.world import World
from vouch.cli import output
from vouch.cli.main import app
from vouch.cli.trace import WIDTH, bar, print_trace
from vouch.client import Client, Trace
from vouch.core.errors import NotFound
from vouch.core.types import Json

QUESTION = "Up to how much are hotel costs reimbursed per night?"
ASKED = (
    "resolve", "rewrite", "search", "fuse", "recheck", "rerank", "recheck", "demote", "pack", "generate", "verify",
    "guard", "release",
)  # fmt: skip


@pytest.fixture
def traced(client: Client) -> str:
    """The id of the trace of a question of Alice's that was answered."""
    return client.as_user("user:alice").ask(QUESTION).trace_id


Drawn = Callable[..., Result]


@pytest.fixture
def drawn(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Runs `vouch trace` with a key that may ask for anyone, or one that may ``administer`` alone."""
    monkeypatch.setenv("VOUCH_URL", client.url)

    def run(*arguments: str, administer: bool = False) -> Result:
        scopes = ("admin",) if administer else ("ask", "act_as")
        monkeypatch.setenv("VOUCH_API_KEY", world.headers(None, *scopes)["Authorization"].removeprefix("Bearer "))
        return CliRunner().invoke(app, ["trace", *arguments])

    return run


def test_its_asker_sees_each_step_in_its_place(client: Client, drawn: Drawn, traced: str) -> None:
    done = drawn(traced, "--as", "alice")
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert tuple(name for name, _, _ in rows) == ASKED
    begins = [float(at) for _, at, _ in rows]
    assert begins == sorted(begins)
    assert all(
        float(at) + float(ms) <= following + 0.2 for (_, at, ms), following in zip(rows, begins[1:], strict=False)
    )
    assert QUESTION in done.stdout and "written by: extractive" in done.stdout
    assert "outcome: an answer, claims 1, citations 1" in done.stdout and "gate 2" not in done.stdout
    told = client.as_user("user:alice").trace(traced)
    spent = {step["name"]: step["ms"] for step in told.steps}
    assert told.walk is not None
    twice = sum(step["ms"] for step in told.walk if step["name"] == "recheck")
    assert spent["recheck"] == pytest.approx(twice, abs=0.02) and len(told.steps) == len(ASKED) - 1


def test_an_administrator_sees_no_content_and_a_stranger_nothing(drawn: Drawn, traced: str) -> None:
    done = drawn(traced, administer=True)
    assert done.exit_code == 0 and "0 refused by gate 2" in done.stdout
    assert QUESTION not in done.stdout and "outcome" not in done.stdout and "candidates" not in done.stdout
    for user, trace_id in (("bob", traced), ("alice", "no-such-trace")):
        assert isinstance(drawn(trace_id, "--as", user).exception, NotFound)


def test_json_is_the_trace_as_the_platform_told_it(client: Client, drawn: Drawn, traced: str) -> None:
    done = drawn(traced, "--as", "alice", "--json")
    with Client(client.url, os.environ["VOUCH_API_KEY"]) as asker:
        assert Trace.model_validate_json(done.stdout) == asker.as_user("user:alice").trace(traced)


def test_a_trace_without_beginnings_is_laid_end_to_end(world: World, drawn: Drawn, traced: str) -> None:
    with world.catalog.transaction("acme") as session:
        session.execute(sa.text("UPDATE trace SET data = data - 'walk' WHERE id = :id"), {"id": traced})
    done = drawn(traced, "--as", "alice")
    assert done.exit_code == 0 and "end to end" in done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert [name for name, _, _ in rows] == list(dict.fromkeys(ASKED)) and rows[0][1] == "0.0"


def test_what_was_lost_since_is_not_told(world: World, client: Client, drawn: Drawn, traced: str) -> None:
    (document,) = client.as_user("user:alice").search("hotel", limit=1).hits
    world.readers(document.document_id, ("group:other",))
    done = drawn(traced, "--as", "alice")
    assert "outcome: made from something that may not be read any more" in done.stdout
    assert "0 candidates" in done.stdout and "140 euros" not in done.stdout


def _step(name: str, at: float, ms: float) -> Json:
    return {"name": name, "at_ms": at, "ms": ms}


def test_rounds_of_one_look_are_one_to_who_may_not_know_of_them() -> None:
    """How many there were tells how much gate 2 refused."""
    walk = [_step("resolve", 0, 1)]
    for n in range(3):
        walk += [_step("search", 1 + 6 * n, 1), _step("fuse", 2 + 6 * n, 2), _step("recheck", 4 + 6 * n, 3)]
    walk += [_step("rerank", 19, 1), _step("recheck", 20, 1)]
    assert as_one(walk) == [
        _step("resolve", 0, 1), _step("search", 1, 3), _step("fuse", 4, 6), _step("recheck", 10, 9),
        _step("rerank", 19, 1), _step("recheck", 20, 1),
    ]  # fmt: skip
    once = [*walk[:4], *walk[-2:]]
    assert [step["name"] for step in as_one(walk)] == [step["name"] for step in as_one(once)]
    assert as_one(once) == once


def test_bars_stand_where_their_steps_do_and_never_vanish() -> None:
    assert bar(_step("a", 0, 100), 100) == "█" * WIDTH
    assert bar(_step("a", 50, 25), 100) == " " * 20 + "█" * 10
    assert bar(_step("a", 50, 0.01), 100) == " " * 20 + "▏"
    assert len(bar(_step("a", 100, 30), 100)) <= WIDTH and bar(_step("a", 0, 0), 0) == "▏"


def test_on_a_terminal_there_are_bars_attempts_and_nothing_that_steers_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    writer = {
        "name": "chat:small:answer.v1", "model": "m-\x1b[31m1", "confidence": 1.0, "input_tokens": 812, "requests": 1,
        "output_tokens": 90, "cost": "0.0004", "currency": "EUR",
        "attempts": [
            {"writer": "strong", "outcome": "timeout", "ms": 2000},
            {"writer": "small", "outcome": "wrote", "ms": 300},
        ],
    }  # fmt: skip
    rejected = [{"reason": "quote_not_found"}, {"reason": "quote_not_found"}, {"reason": "no_citation"}]
    told = {
        "trace_id": "t", "kind": "ask", "created_at": "2026-03-01T12:00:00Z", "ms": 2400.0, "query": "Why\x1b[2J?",
        "steps": [_step("generate", 50, 2300)], "walk": [_step("generate", 50, 2300)], "writer": writer,
        "rejected": rejected, "answer": {"abstention": {"reason": "no_evidence"}},
        "made_by": {"profile": "care\x1b[2Jful", "arm": "canary", "settings": "9b71d224bd62f378"},
    }  # fmt: skip
    print_trace(Trace.model_validate(told))
    shown = capsys.readouterr().out
    assert re.search(r"generate +50\.0 +2300\.0 +█{38}", shown)
    assert "812 tokens read, 90 written, 0.0004 EUR" in shown and "2 quote_not_found, 1 no_citation" in shown
    assert "ful (canary), settings 9b71d224bd62f378" in shown
    assert re.search(r"strong +timeout +2000", shown) and "no answer (no_evidence)" in shown
    assert "\x1b" not in shown
