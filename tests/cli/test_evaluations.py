"""`vouch eval schedule` and on: a set that was made here is given to the platform, run there, and read again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from evals.own.folder import Decision, OwnSet
from tests.cli.conftest import PATIENCE_S, Up
from vouch.cli import evaluations
from vouch.cli.main import app
from vouch.client import EvalRun
from vouch.client.evals import Drift


@pytest.fixture
def typed(running: Up, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands on the running platform, in this process."""
    monkeypatch.setenv("VOUCH_DATA_DIR", str(running.vouch.data_dir))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["eval", *arguments])

    return invoke


def made(folder: Path) -> Path:
    own = OwnSet.open(folder, "user:mina")
    own.decide(Decision("q1", "accepted", "link", "where bicycles are kept", ("s/a%09b.md",)))
    own.decide(Decision("q2", "rejected", "link", "read on"))
    return folder


def ok(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_a_set_from_its_giving_to_its_end(running: Up, typed: Any, tmp_path: Path) -> None:
    running.vouch.ok("directory", "user", "mina", "--name", "Mina")
    folder = str(made(tmp_path / "bicycles"))
    given = ok(typed("schedule", folder, "--every", "1d", "--json"))
    assert (given["name"], given["user"], given["questions"], given["schedule"]) == ("bicycles", "user:mina", 1, "1d")
    again = ok(typed("schedule", folder, "--no-rerank", "--json"))  # replaces it
    assert (again["id"], again["schedule"], again["rerank"]) == (given["id"], None, False)
    assert typed("baseline", "bicycles").exit_code == 1  # none has succeeded yet
    run = ok(typed("start", "bicycles", "--json"))
    deadline = time.monotonic() + PATIENCE_S
    while (last := ok(typed("results", "bicycles", "--json"))["runs"][0])["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (last["id"], last["state"], last["missing"]) == (run["id"], "succeeded", 1), last
    assert ok(typed("baseline", "bicycles", "--json"))["baseline"] == run["id"]
    (row,) = [line for line in typed("sets").stdout.splitlines() if line.startswith("bicycles\t")]
    assert "0.000 (0.000 to 0.000)" in row
    assert typed("drop", "bicycles").stdout == "bicycles is deleted.\n"
    for command in ("start", "results", "drop"):
        assert typed(command, "bicycles").exit_code == 1


def test_a_run_that_is_worse_ends_with_1(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drift = Drift.model_construct(verdict="worse", against="before", difference=-0.1)
    fell = EvalRun.model_construct(
        id="r", state="succeeded", drift=(drift,), figures={}, problem=None, finished_at=None, created_at=None,
        questions=40, missing=0, generation="g1",
    )  # fmt: skip
    monkeypatch.setattr(evaluations, "_found", lambda vouch, named: fell)
    monkeypatch.setattr("vouch.client.evals.Evals.runs", lambda self, set_id: iter([fell]))
    told = typed("results", "x")
    assert told.exit_code == 1 and "worse -0.100 (before)" in told.stdout
