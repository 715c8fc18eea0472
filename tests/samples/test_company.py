"""The sample company holds together: documents, ages, directory, access rules and questions."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pypdfium2
import pytest
import yaml

from connectors.filesystem.config import FilesystemConfig
from connectors.filesystem.connector import FilesystemConnector
from vouch.core.types import Upsert, principal_name

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
COMPANY = SAMPLES / "company"
QUESTIONS: list[dict[str, Any]] = yaml.safe_load((SAMPLES / "questions.yaml").read_text("utf-8"))["questions"]
DIRECTORY: dict[str, Any] = yaml.safe_load((SAMPLES / "directory.yaml").read_text("utf-8"))


@cache
def documents() -> dict[str, Upsert]:
    """What the filesystem connector finds, by path; anything it refuses fails the test."""
    changes = list(FilesystemConnector(FilesystemConfig(path=str(COMPANY))).scan(None))
    found = {change.external_id: change for change in changes if isinstance(change, Upsert)}
    assert len(found) == len(changes) - 1, [c for c in changes if not isinstance(c, Upsert)][:-1]
    return found


def ages() -> dict[str, datetime]:
    with (SAMPLES / "ages.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {row["path"]: datetime.fromisoformat(row["modified_at"]) for row in rows}
    assert len(found) == len(rows)
    return found


def principals(user: str) -> frozenset[str]:
    """The user, ``authenticated``, and every group reached through nested membership."""
    held = {f"user:{user}", "authenticated"}
    while (
        more := {f"group:{group['id']}" for group in DIRECTORY["groups"] if held.intersection(group["members"])} - held
    ):
        held |= more
    return frozenset(held)


def may_read(user: str, path: str) -> bool:
    held, acl = principals(user), documents()[path].acl
    return acl is not None and all(
        held.intersection(map(principal_name, clause.allow)) and not held.intersection(map(principal_name, clause.deny))
        for clause in acl
    )


def _pdf(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def _word(path: Path) -> str:
    document = docx.Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def _slides(path: Path) -> str:
    texts: list[str] = []
    for slide in pptx.Presentation(str(path)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            if shape.has_table:
                texts.extend(cell.text for row in shape.table.rows for cell in row.cells)
    return "\n".join(texts)


def _sheet(path: Path) -> str:
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        rows = [row for sheet in book for row in sheet.iter_rows(values_only=True)]
    finally:
        book.close()
    return "\n".join(" ".join(str(cell) for cell in row if cell is not None) for row in rows)


def _mail(path: Path) -> str:
    body = message_from_bytes(path.read_bytes(), policy=policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


READERS: dict[str, Callable[[Path], str]] = {
    ".pdf": _pdf,
    ".docx": _word,
    ".pptx": _slides,
    ".xlsx": _sheet,
    ".eml": _mail,
}


@cache
def text(path: str) -> str:
    """The words of a document with every run of blanks as one space."""
    file = COMPANY / path
    read = READERS.get(file.suffix)
    return " ".join((read(file) if read else file.read_text("utf-8")).split())


def test_there_are_enough_documents_of_every_kind() -> None:
    kinds = Counter(Path(path).suffix for path in documents())
    assert sum(kinds.values()) >= 45
    assert set(kinds) == {".md", ".html", ".txt", ".csv", ".eml", ".pdf", ".docx", ".pptx", ".xlsx"}
    assert min(kinds.values()) >= 3, kinds
    assert kinds[".md"] >= 16


def test_every_document_says_something() -> None:
    short = {path: len(text(path).split()) for path in documents()}
    assert {path: words for path, words in short.items() if words < 120} == {}


def test_ages_are_given_for_every_document_and_for_nothing_else() -> None:
    assert set(ages()) == set(documents())


def test_ages_are_believable() -> None:
    given = ages()
    assert all(at.utcoffset() is not None for at in given.values())
    assert all(datetime(2022, 1, 1, tzinfo=UTC) < at < datetime(2026, 11, 20, tzinfo=UTC) for at in given.values())
    assert sum(at.year <= 2024 for at in given.values()) >= 5


@pytest.mark.parametrize("path", sorted(path.relative_to(COMPANY).as_posix() for path in COMPANY.rglob("*.eml")))
def test_mails_are_messages_with_the_date_of_their_file(path: str) -> None:
    message = message_from_bytes((COMPANY / path).read_bytes(), policy=policy.default)
    assert not message.defects
    assert all(message[name] for name in ("From", "To", "Subject", "Message-ID"))
    assert message["Date"].datetime == ages()[path]


def test_one_mail_has_an_html_part_and_a_quoted_thread() -> None:
    message = message_from_bytes((COMPANY / "sales/leeds-renewal.eml").read_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "wrote: >" in text("sales/leeds-renewal.eml")


def test_the_directory_has_six_people_in_five_nested_groups() -> None:
    users = {f"user:{user['id']}" for user in DIRECTORY["users"]}
    groups = {f"group:{group['id']}" for group in DIRECTORY["groups"]}
    members = {member for group in DIRECTORY["groups"] for member in group["members"]}
    assert (len(users), len(groups)) == (6, 5)
    assert all(user["name"] and user["title"] for user in DIRECTORY["users"])
    assert members <= users | groups
    assert {"group:platform", "group:engineering", "group:staff"} <= principals("alice")


def test_access_names_nobody_who_is_not_in_the_directory() -> None:
    known = {"authenticated", *(f"user:{user['id']}" for user in DIRECTORY["users"])}
    known.update(f"group:{group['id']}" for group in DIRECTORY["groups"])
    for path, document in documents().items():
        named = {principal_name(p) for clause in document.acl or () for p in (*clause.allow, *clause.deny)}
        assert named | {document.owner} <= known, path


def test_every_document_has_an_owner_and_a_time_to_be_reviewed() -> None:
    assert [path for path, d in documents().items() if not d.owner or not d.review_every] == []


def test_exactly_one_document_has_no_access() -> None:
    assert [path for path, d in documents().items() if d.acl is None] == ["inbox/unsorted-supplier-quote.eml"]
    assert not any(may_read(user["id"], "inbox/unsorted-supplier-quote.eml") for user in DIRECTORY["users"])


def test_a_folder_adds_its_clause_and_a_deny_wins() -> None:
    assert len(documents()["people/confidential/ghent-reorganisation.md"].acl or ()) == 2
    incident = "engineering/incidents/2026-04-18-meridian-ingest-outage.md"
    assert may_read("dave", "engineering/on-call-guide.md")
    assert may_read("alice", incident)
    assert not may_read("dave", incident)
    assert may_read("frank", "finance/board/board-minutes-2026-10-22.md")
    assert not may_read("bob", "finance/board/board-minutes-2026-10-22.md")


def test_the_newer_travel_policy_supersedes_the_older() -> None:
    newer, older = "handbook/travel-and-expenses-2026.md", "handbook/travel-and-expenses-2023.docx"
    assert documents()[newer].supersedes == (older,)
    assert ages()[older].year == 2023
    assert (ages()[newer].year, ages()[newer].month) == (2026, 1)
    assert "The hotel limit is £120 a night." in text(older)
    assert "The hotel limit is £165 a night" in text(newer)


def test_two_current_documents_contradict_each_other() -> None:
    for path, months in (("product/larkspur-ls-400-datasheet.pdf", "36"), ("sales/ls-400-sales-brief.md", "48")):
        assert f"The LS-400's battery lasts {months} months at a 15-minute" in text(path)
        assert ages()[path].year == 2026
        assert not documents()[path].supersedes


def test_there_are_eight_questions_and_two_kinds_of_result() -> None:
    assert len(QUESTIONS) == 8
    assert Counter(q["expect"] for q in QUESTIONS) == {"answer": 6, "abstention": 2}


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q["expect"] == "answer"], ids=lambda q: q["question"])
def test_an_answer_stands_in_documents_that_the_asker_may_read(question: dict[str, Any]) -> None:
    assert question["from"] and question["contains"]
    assert all(may_read(question["as"], path) for path in question["from"])
    for words in question["contains"]:
        assert any(words in text(path) for path in question["from"]), words
    for path in question["from"]:
        assert any(words in text(path) for words in question["contains"]), path


def test_one_question_is_answered_for_one_person_and_refused_to_another() -> None:
    asked: dict[str, dict[str, str]] = {}
    for question in QUESTIONS:
        asked.setdefault(question["question"], {})[question["expect"]] = question["as"]
    pairs = [result for result in asked.values() if len(result) == 2]
    assert pairs == [{"answer": "carol", "abstention": "alice"}]


@pytest.mark.parametrize("user", [user["id"] for user in DIRECTORY["users"] if user["id"] != "carol"])
def test_only_the_people_team_reads_of_the_reorganisation(user: str) -> None:
    readable = [path for path in documents() if may_read(user, path)]
    assert len(readable) >= 15
    for path in readable:
        assert not any(word in text(path).lower() for word in ("severance", "reorganisation", "redundan")), path


def test_nobody_writes_about_the_topic_that_has_no_answer() -> None:
    for path in documents():
        assert not {"dog", "dogs", "pets"}.intersection(text(path).lower().split()), path
