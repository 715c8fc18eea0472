"""Releases on a running platform: by the command line and the client, and through every process that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.platform.conftest import Platform, problem
from vouch.client import Client
from vouch.core.errors import Conflict, InvalidInput

HOTEL = "Up to how much are hotels reimbursed per night?"


@pytest.fixture(scope="module", autouse=True)
def travel(platform: Platform) -> None:
    source = platform.source("travel")
    platform.pushed(source, "hotels", "# Hotels\n\nHotels are reimbursed up to 140 euros per night.\n", "authenticated")


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    with Client(str(platform.http.base_url), _key(platform)) as client:
        yield client


def test_by_the_command_line(platform: Platform) -> None:
    made = json.loads(_vouch(platform, "release", "set", "routes", "--canary", "extractive:100", "--json"))
    assert made["canary"] == {"profile": "extractive", "percent": 100} and made["sound"]
    assert platform.ask("alice", HOTEL)["made_by"]["arm"] == "canary"
    assert "extractive 100 %" in _vouch(platform, "release", "list")
    assert "canary: extractive beside routes" in _vouch(platform, "release", "compare")
    assert json.loads(_vouch(platform, "release", "compare", "--json"))["comparisons"][0]["kind"] == "canary"
    assert _vouch(platform, "release", "rollback") == "every workflow: routes\n"
    assert platform.ask("alice", HOTEL)["made_by"]["arm"] == "stable"
    assert "nothing is released" in _vouch(platform, "release", "drop")
    assert platform.ask("alice", HOTEL)["made_by"]["arm"] == "default"
    told = json.loads(_vouch(platform, "release", "list", "--history", "--json"))
    assert [one["verb"] for one in told] == ["set", "rollback", "set"]
    wrong = _command("release", "set", "routes", "--canary", "extractive")
    assert subprocess.run(wrong, env=_env(platform), capture_output=True, check=False).returncode == 2


def test_a_shadow_runs_where_questions_are_answered_and_the_client_compares_it(
    platform: Platform, client: Client
) -> None:
    made = client.releases.set("routes", shadow=("extractive", 100), workflow="mail")
    assert made.shadow is not None and made.shadow.percent == 100
    answer = client.as_user("user:bob").ask(HOTEL, workflow="mail")
    assert answer.made_by is not None and answer.made_by["release"] == made.id
    (shadow,) = platform.until(
        lambda: [one for one in client.releases.compare("mail").comparisons if one.answers != (0, 0)]
    )
    assert (shadow.kind, shadow.answers, shadow.failed, shadow.enough) == ("shadow", (1, 1), 0, False)
    assert shadow.overlap is not None and shadow.overlap.mean == 1  # both are the same sentences
    client.releases.set(None, workflow="mail")
    assert client.releases.history("mail")[0].stable is None
    with pytest.raises(InvalidInput):
        client.releases.set("poet")
    assert client.releases.rollback("mail").stable == "routes"
    with pytest.raises(Conflict):
        client.releases.rollback("nobody")
    assert {one.name for one in client.releases.list().profiles} == {"routes", "chat", "extractive"}


def test_a_time_that_ends_before_it_begins(platform: Platform) -> None:
    asked = {"since": "2026-03-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
    problem(platform.http.get("/v1/releases/comparison", params=asked), 422, "invalid_input", "since")


def _key(platform: Platform) -> str:
    return platform.http.headers["authorization"].removeprefix("Bearer ")


def _env(platform: Platform) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOUCH_")}
    return own | {"VOUCH_URL": str(platform.http.base_url), "VOUCH_API_KEY": _key(platform)}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "vouch.cli", *arguments]


def _vouch(platform: Platform, *arguments: str) -> str:
    done = subprocess.run(_command(*arguments), env=_env(platform), capture_output=True, text=True, check=True)
    return done.stdout
