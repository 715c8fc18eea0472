"""The sample company as the demo uses it, on the platform that runs already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Vouch
from vouch.cli import sample
from vouch.cli.directory import read_people
from vouch.client import Answer
from vouch.core.errors import BadConfig


def test_the_demo_answers_its_questions_and_changes_nothing_the_second_time(vouch: Vouch) -> None:
    first = json.loads(vouch.ok("demo", "--once", "--json"))
    assert [found["fault"] for found in first["questions"]] == [None] * 8
    assert first["documents"]["live"] >= 45
    assert first["documents"]["readable_by_nobody"] == 1
    again = vouch("demo", "--once")
    assert again.returncode == 0
    assert "; 0 files copied" in again.stdout
    assert "(0 new, 0 changed)" in again.stdout
    assert "8 of 8 questions came out as expected" in again.stdout
    assert "1 readable by nobody" in again.stdout
    assert again.stdout.count("  curl -s -H ") == 3
    assert (vouch.data_dir / "admin.key").read_text().strip() not in again.stdout
    assert "\x1b" not in again.stdout


def test_files_are_copied_with_their_ages_and_only_when_they_differ(tmp_path: Path) -> None:
    total = sample.copy_company(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert total == len(files)
    policy = tmp_path / "handbook/travel-and-expenses-2023.docx"
    assert policy.stat().st_mtime < (tmp_path / "handbook/travel-and-expenses-2026.md").stat().st_mtime
    assert sample.copy_company(tmp_path) == 0
    before = policy.stat().st_mtime
    policy.write_bytes(b"changed")
    (tmp_path / "handbook/new-starters.html").touch()
    assert sample.copy_company(tmp_path) == 2
    assert policy.stat().st_mtime == before


def _answer(**fields: Any) -> Answer:
    citation = {
        "n": 1,
        "document_id": "d",
        "external_id": "a.md",
        "version": 1,
        "title": "A",
        "uri": "",
        "place": "",
        "span": {"start": 0, "end": 5},
        "quote": "36\n months",
        "verified": True,
        "freshness": {"state": "fresh", "modified_at": None, "review_due": None},
    }
    body = {"answer_id": "x", "kind": "answer", "text": "It lasts. [1]", "claims": [], "citations": [citation]}
    return Answer.model_validate({**body, "abstention": None, "usage": {}, "trace_id": "t", **fields})


@pytest.mark.parametrize(
    ("asked", "answer", "fault"),
    [
        ({}, {}, None),
        ({"expect": "abstention"}, {}, "abstention expected, answer given"),
        ({}, {"kind": "abstention", "citations": []}, "answer expected, abstention given"),
        ({"from": ["a.md", "b.md"]}, {}, "b.md not cited"),
        ({"contains": ["36 months", "48 months"]}, {}, "'48 months' not said"),
    ],
)
def test_a_question_tells_what_came_out_wrong(asked: dict[str, Any], answer: dict[str, Any], fault: str | None) -> None:
    body = {"as": "erin", "question": "How long?", "expect": "answer", "why": "", "from": ["a.md"]}
    question = sample.Question.model_validate({**body, "contains": ["36 months"], **asked})
    assert question.fault(_answer(**answer)) == fault


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("users: [{id: alice}]", "users.0.name"),
        ("users: [{id: alice, name: A, colour: red}]", "users.0.colour"),
        ("groups: {}", "groups"),
        ("persons: []", "persons"),
    ],
)
def test_a_mistake_in_a_directory_file_is_named(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(text)
    with pytest.raises(BadConfig, match=r"people\.yaml") as raised:
        read_people(path)
    assert raised.value.field == field


def test_a_directory_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "people.yaml"
    path.write_text("users: [")
    with pytest.raises(BadConfig, match="line 1"):
        read_people(path)
