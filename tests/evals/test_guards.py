"""The evaluations of the guards, on sets of a few rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals import privacy
from evals.guards import GUARDS

HANDBOOK = "handbook-sourcegraph"


def row(text: str, *spans: tuple[str, str]) -> str:
    at = [(name, text.index(value), value) for name, value in spans]
    return json.dumps(
        {"text": text, "spans": [{"type": n, "start": i, "end": i + len(v), "value": v} for n, i, v in at]}
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = (
        row("Write to ann@example.org or Bob.", ("EMAIL_ADDRESS", "ann@example.org"), ("PERSON", "Bob")),
        row("My friend's number is one two three.", ("PHONE_NUMBER", "one two three")),
        row("They answered at 618-226-1460 on Monday.", ("PHONE_NUMBER", "618-226-1460"), ("DATE_TIME", "Monday")),
        row("The build is 10.1.2.3 today."),
    )
    (tmp_path / "pii-presidio").mkdir()
    (tmp_path / "pii-presidio" / "items.jsonl").write_text("\n".join(rows), "utf-8")
    (tmp_path / HANDBOOK / "files").mkdir(parents=True)
    (tmp_path / HANDBOOK / "files" / "a.md").write_text("The admin password is Tr0ub4dor&3. " + "x" * 965, "utf-8")
    (tmp_path / HANDBOOK / "manifest.jsonl").write_text(json.dumps({"path": "a.md", "title": "A"}), "utf-8")
    return tmp_path


def test_recall_and_precision_are_by_kind_and_by_overlap(data: Path) -> None:
    found = GUARDS["pii"](data).figures()
    assert found["privacy.pii.email_address.recall"] == 1
    assert found["privacy.pii.phone_number.recall"] == 0.5
    assert found["privacy.pii.person.recall"] == found["privacy.pii.date_time.recall"] == 0
    assert found["privacy.pii.structured.recall"] == pytest.approx(2 / 3)
    assert found["privacy.pii.ip.precision"] == 0
    assert found["privacy.pii.structured.precision"] == pytest.approx(2 / 3)
    assert found["privacy.handbook.secrets_per_million"] == 1000


def test_what_was_not_found_is_shown(data: Path) -> None:
    assert "not found: PHONE_NUMBER in \"My friend's number" in privacy.run(data).remarks()
