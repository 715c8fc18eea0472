"""`vouch eval` hands over to the evaluations word for word, and starts without any of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from vouch.cli.main import app


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr("vouch.cli.evaluate.become", lambda *arguments: found.append(arguments))
    return found


@pytest.mark.parametrize(
    ("typed", "handed"),
    [
        (["run"], ("evals",)),
        (
            ["run", "search", "--data", "-own", "--profile", "hybrid", "--profile", "-x", "--json"],
            ("evals", "search", "--data=-own", "--profile=hybrid", "--profile=-x", "--json"),
        ),
        (
            ["run", "--set", "clapnq", "--out", "runs", "--profiles", "p.toml"],
            ("evals", "--set=clapnq", "--profiles=p.toml", "--out=runs"),
        ),
        (["run", "answers", "--model", "big"], ("evals", "answers", "--model=big")),
        (["compare", "a", "b", "--html", "x.html"], ("evals.compare", "--html=x.html", "--", "a", "b")),
        (
            ["mine", "own", "--as", "alice", "--from", "d.jsonl", "--limit", "9", "--seed", "2", "--accept-all"],
            ("evals.own", "--as=alice", "--limit=9", "--seed=2", "--accept-all", "--from=d.jsonl", "--", "own"),
        ),
        (["compare", "--json", "--", "-a", "b"], ("evals.compare", "--json", "--", "-a", "b")),
    ],
)
def test_what_is_typed_is_handed_over(typed: list[str], handed: tuple[str, ...], became: list[tuple[str, ...]]) -> None:
    done = CliRunner().invoke(app, ["eval", *typed])
    assert done.exit_code == 0, done.output
    assert became == [handed]


def test_the_evaluations_understand_what_they_are_handed(became: list[tuple[str, ...]]) -> None:
    from evals.__main__ import _parser as run
    from evals.compare.__main__ import _parser as compare
    from evals.own.__main__ import _parser as mine

    CliRunner().invoke(app, ["eval", "run", "search", "--data", "-own", "--profile", "-x"])
    CliRunner().invoke(app, ["eval", "compare", "--html", "x.html", "--", "-a", "b"])
    given = run().parse_args(became[0][1:])
    assert (given.kind, given.data, given.profile) == ("search", "-own", ["-x"])
    pair = compare().parse_args(became[1][1:])
    assert (pair.a, pair.b, str(pair.html)) == ("-a", "b", "x.html")
    CliRunner().invoke(app, ["eval", "mine", "--as", "alice", "--from", "-d", "--", "-own"])
    made = mine().parse_args(became[2][1:])
    assert (str(made.folder), made.user, str(made.from_file), made.limit) == ("-own", "alice", "-d", 200)


def test_the_command_line_starts_without_the_evaluations() -> None:
    code = "import sys, vouch.cli.main; print([name for name in sys.modules if name.partition('.')[0] == 'evals'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
