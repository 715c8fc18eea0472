"""The queue of answers by the typed client, and as people type it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from retrieval.api import create_app
from tests.client.conftest import served
from tests.retrieval.reviewing import WORKFLOW, staffed
from tests.retrieval.world import World
from vouch.cli.main import app
from vouch.client import Client
from vouch.core.errors import AlreadyDecided, EditRefused, NotClaimed, NotFound

ASKED = "How much is reimbursed for a hotel per night?"
QUOTE = "Hotel costs are reimbursed up to 140 euros per night."


@pytest.fixture
def reached(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The address of the platform, and a key that asks and reviews for anyone; both also where commands look."""
    staffed(world)
    key = world.headers(None, "ask", "review", "act_as")["Authorization"].removeprefix("Bearer ")
    with served(create_app(world.services)) as url:
        monkeypatch.setenv("VOUCH_URL", url)
        monkeypatch.setenv("VOUCH_API_KEY", key)
        yield url, key


@pytest.fixture
def client(reached: tuple[str, str]) -> Iterator[Client]:
    with Client(*reached) as client:
        yield client


def _typed(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _ok(*arguments: str) -> Any:
    result = _typed(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_the_client_walks_an_answer_through(client: Client) -> None:
    alice, dave = client.as_user("user:alice"), client.as_user("user:dave")
    answer = alice.ask(ASKED, workflow=WORKFLOW)
    assert (answer.status, answer.text, answer.citations) == ("awaiting_review", "", ())
    (last,) = [one for one in alice.ask_stream(ASKED, workflow=WORKFLOW) if type(one) is type(answer)]
    assert last.status == "awaiting_review"
    assert [one.answer_id for one in dave.approvals.list()] == [answer.answer_id, last.answer_id]
    with pytest.raises(NotFound):
        client.as_user("user:bob").approvals.get(answer.answer_id)
    with pytest.raises(NotClaimed):
        dave.approvals.release(answer.answer_id, 1)
    found = dave.approvals.claim(answer.answer_id)
    assert (found.claimed_by, found.text, found.citations[0].quote) == ("user:dave", f"{QUOTE} [1]", QUOTE)
    with pytest.raises(EditRefused) as refused:
        dave.approvals.edit(answer.answer_id, 1, [{"text": "Hotels cost 180 euros.", "citations": [1]}])
    assert (refused.value.field, refused.value.extra["reason"]) == ("claims.0", "unsupported")
    edited = dave.approvals.edit(answer.answer_id, 1, [{"text": "Hotel costs up to 140 euros are reimbursed.",
                                                        "citations": [1]}])  # fmt: skip
    assert (edited.version, edited.original and edited.original["text"]) == (2, f"{QUOTE} [1]")
    assert dave.approvals.release(answer.answer_id, 2).status == "released"
    with pytest.raises(AlreadyDecided):
        dave.approvals.reject(answer.answer_id, 2, "Too late.")
    again = alice.answer(answer.answer_id)
    assert (again.status, again.edited, again.text) == ("released", True, edited.text)


def test_commands_do_the_same(client: Client, tmp_path: Path) -> None:
    alice = client.as_user("user:alice")
    first, second = (alice.ask(ASKED, workflow=WORKFLOW).answer_id for _ in range(2))
    asker, reviewer = ("--as", "alice"), ("--as", "dave")
    waiting = _typed("answer", first, *asker)
    assert waiting.exit_code == 1 and f"vouch answer {first}" in waiting.stdout and QUOTE not in waiting.stdout
    assert [one["answer_id"] for one in _ok("approval", "list", *reviewer)] == [first, second]
    assert first in _typed("approval", "list", *reviewer).stdout
    assert _ok("approval", "claim", first, *reviewer)["claimed_by"] == "user:dave"
    shown = _typed("approval", "show", first, *reviewer).stdout
    assert ASKED in shown and QUOTE in shown and "user:alice" in shown and "version 1" in shown

    file = tmp_path / "claims.json"
    file.write_text("{}")
    assert _typed("approval", "edit", first, "--claims", str(file), "--version", "1", *reviewer).exit_code != 0
    file.write_text(json.dumps([{"text": "Up to 140 euros per night are reimbursed.", "citations": [1]}]))
    edited = _ok("approval", "edit", first, "--claims", str(file), "--version", "1", *reviewer)
    assert edited["version"] == 2
    assert _typed("approval", "release", first, "--version", "2", *reviewer).stdout == f"{first} is released.\n"
    read = _typed("answer", first, *asker)
    assert read.exit_code == 0 and "Up to 140 euros per night are reimbursed. [1]" in read.stdout

    _ok("approval", "claim", second, *reviewer)
    assert (
        _ok("approval", "reject", second, "--version", "1", "--reason", "Of 2024.", *reviewer)["reason"] == "Of 2024."
    )
    rejected = _typed("answer", second, *asker)
    assert rejected.exit_code == 1 and "Of 2024." in rejected.stdout
    assert [one["answer_id"] for one in _ok("approval", "list", "--state", "rejected", *reviewer)] == [second]
