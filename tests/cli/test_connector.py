"""`vouch connector`: what it begins works, is what the guide shows, and is found once it is installed."""

from __future__ import annotations

import importlib
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors.contract import CHECKS
from tests.cli.conftest import Vouch
from tests.docs.pages import examples
from vouch.cli import connector
from vouch.core.errors import InvalidInput, VouchError

GUIDE = "docs/connectors/writing.md"


@pytest.fixture
def ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """What the guide's command makes."""
    folder = tmp_path / "vouch-ledger"
    connector.new("ledger", folder, json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(folder)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == set(said["files"])
    return folder


@pytest.fixture
def imported(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(ledger)
    yield ledger
    for name in [name for name in sys.modules if name.partition(".")[0] == "vouch_ledger"]:
        del sys.modules[name]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_the_guide_shows_what_is_made_word_for_word(ledger: Path) -> None:
    shown: dict[str, str] = {}
    for example in examples("python", "toml"):
        if example.page == GUIDE:
            shown[example.about] = shown.get(example.about, "") + example.text
    assert set(shown) == {"vouch_ledger/connector.py", "tests/test_contract.py", "pyproject.toml"}
    for name in ("vouch_ledger/connector.py", "tests/test_contract.py"):
        assert _lines(shown[name]) == _lines((ledger / name).read_text())
    assert shown["pyproject.toml"] in (ledger / "pyproject.toml").read_text()


def test_what_is_made_passes_its_test_and_is_found_once_it_is_installed(
    alone: Vouch, ledger: Path, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=ledger, capture_output=True, text=True
    )
    assert ran.returncode == 0 and f"{len(CHECKS)} passed" in ran.stdout, ran.stdout + ran.stderr
    beside = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", str(beside), str(ledger)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = alone("connector", "list", PYTHONPATH=str(beside)).stdout.splitlines()
    own = "Reads one file, each line of it a document with who may read it."
    assert f"ledger\tvouch-ledger\t0.1.0\t{own}\t" in rows


@pytest.mark.parametrize(
    ("working", "broken", "check"),
    [
        ("raise NotFound()", 'return Body(b"", MIME)', "what_is_not_there_is_not_found"),
        ('yield Checkpoint({"items": len(items)})', "", "a_scan_names_each_item_once_and_ends_with_a_checkpoint"),
        ('extra="forbid", ', "", "an_unknown_setting_is_refused_by_name"),
        ("item.text.encode(), MIME", "b'x' + item.text.encode(), MIME", "everything_offered_can_be_fetched"),
        ("items = self._items()", "items = {} if cursor else self._items()", "a_scan_goes_on_from_a_checkpoint"),
        ('"{self._path.as_uri()}#{quote(name)}"', '""', "changes_are_well_formed"),
        ("yield from ()", 'yield Membership("staff", "alice")', "memberships_are_of_written_principals"),
    ],
)
def test_the_contract_finds_what_is_wrong(
    imported: Path, tmp_path: Path, working: str, broken: str, check: str
) -> None:
    code = imported / "vouch_ledger" / "connector.py"
    assert working in code.read_text()
    code.write_text(code.read_text().replace(working, broken))
    made = importlib.import_module("vouch_ledger.connector")
    world = runpy.run_path(str(imported / "tests" / "test_contract.py"))["world"]
    failed = []
    for n, one in enumerate(CHECKS):
        folder = tmp_path / f"world{n}"
        folder.mkdir()
        try:
            one(made.LedgerConnector, world(folder))
        except (AssertionError, VouchError):
            failed.append(one.__name__)
    assert check in failed and len(failed) < len(CHECKS)


def test_a_plugin_that_is_broken_is_told_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("ghost", "no_such_package.connector:Ghost", connector.GROUP)
    row = connector._installed(entry)
    assert row["fault"] == "ModuleNotFoundError: No module named 'no_such_package'" and row["package"] is None
    other = EntryPoint("other", "connectors.push:PushConnector", connector.GROUP)
    assert connector._installed(other)["fault"] == "calls itself push"


@pytest.mark.parametrize("kind", ["Ledger", "a b", "x", "../up", "7up", "git"])
def test_a_kind_that_cannot_be_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        connector.new(kind, tmp_path / "made")
    assert refused.value.field == "kind" and not (tmp_path / "made").exists()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "pyproject.toml").write_text("mine")
    with pytest.raises(InvalidInput) as refused:
        connector.new("ledger", tmp_path / "made")
    assert refused.value.field == "folder"
    assert (tmp_path / "made" / "pyproject.toml").read_text() == "mine"
