"""The view of a group: who may see it, which numbers are in it, and that names go only to who may read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from acl import directory
from acl.keys import create_key
from ingestion.reports.delimited import GROUP_COLUMNS, group_as_csv
from ingestion.reports.group import STATES, GroupReport, OwnerCounts, Used
from ingestion.reports.html import group_as_html
from ingestion.reports.staleness import Named
from tests.applications import ingestion_routes
from tests.client.conftest import served
from tests.ingestion.post import TENANT, Mailbox, Post, open_post
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Answer, Citation, Document
from vouch.client import Client
from vouch.core.ids import new_id

SECRET = "a-secret-for-the-tests-of-groups-alone"
PATH = "/v1/reports/staleness/group"
FORMATS = ("json", "csv", "html")


@dataclass
class Office:
    """Carol, and Dave in a group inside, are in the team, which Erin manages; Carol's salaries Erin alone may read,
    and Dave's plans Dave alone."""

    post: Post
    app: FastAPI
    key: str

    def get(self, user: str | None, group: str = "group:team", **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"} | ({"X-Vouch-As": f"user:{user}"} if user else {})
        return TestClient(self.app).get(PATH, params={"group": group, **query}, headers=headers)

    def json(self, user: str | None, group: str = "group:team") -> Any:
        response = self.get(user, group)
        assert response.status_code == 200, response.text
        return response.json()

    def owners(self, user: str | None, group: str = "group:team") -> dict[str, Any]:
        return {one["owner"]: one for one in self.json(user, group)["owners"]}

    def manage(self, *add: str, remove: tuple[str, ...] = (), group: str = "team") -> Any:
        body = {"add": list(add), "remove": list(remove)}
        headers = {"Authorization": f"Bearer {self.key}"}
        return TestClient(self.app).post(f"/v1/directory/groups/{group}/managers", json=body, headers=headers)

    def cited(self, title: str, *people: str) -> None:
        """One answer for each of these people cites it."""
        with self.post.catalog.transaction(TENANT) as session:
            document = session.execute(sa.select(Document.id).where(Document.title == title)).scalar_one()  # type: ignore[arg-type]
            for person in people:
                answer = new_id()
                session.add(
                    Answer(
                        tenant_id=TENANT, id=answer, user_id=f"user:{person}", question="q", kind="answer", text="t",
                        trace_id=answer, principals_hash="", generation="g1",
                    )
                )  # fmt: skip
                session.flush()
                session.add(
                    Citation(
                        tenant_id=TENANT, answer_id=answer, n=1, document_id=document, version=1, span_start=0,
                        span_end=1, quote="t",
                    )
                )  # fmt: skip


@pytest.fixture
def office(catalog: Catalog) -> Iterator[Office]:
    post = open_post(catalog, Mailbox(), 25)
    post.document("Plans", "user:dave", allow=("user:dave",))
    post.document("Menu", "group:team", days=1)
    post.document("Elsewhere", "user:frank")
    with catalog.transaction(TENANT) as session:
        directory.put_group(session, TENANT, "group:inner", name="I", members=["user:dave"], actor="test")
        members = ["user:carol", "group:inner", "user:ghost"]
        directory.put_group(session, TENANT, "group:team", name="T", members=members, actor="test")
        scopes = ("reports", "directory", "act_as")
        key = create_key(session, SECRET, TENANT, name="t", scopes=scopes, actor="test").secret
    with ingestion_routes() as app:
        app.state.ingestion = post
        app.state.catalog, app.state.secret_key = catalog, SECRET
        office = Office(post, app, key)
        assert office.manage("user:erin").json() == {"managers_in_all": 1}
        office.cited("Hotels", "dave")
        office.cited("Plans", "dave", "carol")
        office.cited("Salaries", "erin", "erin", "erin")
        yield office


def test_numbers_are_of_all_and_names_of_what_the_manager_may_read(office: Office) -> None:
    found = office.owners("erin")
    assert set(found) == {"user:carol", "user:dave", "group:team"}
    assert (found["user:carol"]["counts"]["stale"], found["user:carol"]["to_look_at"]) == (2, 2)
    assert found["group:team"]["counts"]["fresh"] == 1
    carols = [(one["title"], one["questions"], one["people"]) for one in found["user:carol"]["most_used"]]
    assert carols == [("Salaries", 3, 1), ("Hotels", 1, 1)]
    (plans,) = found["user:dave"]["most_used"]  # Boats nobody asked for
    assert (plans["questions"], plans["people"], plans["state"]) == (2, 2, "stale")
    assert {plans[name] for name in ("document_id", "external_id", "title", "uri")} == {None}
    for format in FORMATS:
        text = office.get("erin", format=format).text
        assert "Salaries" in text and "Plans" not in text and "Elsewhere" not in text
    (entry,) = [one for one in office.post.audited("report.group") if "erin" in one.actor][:1]
    assert (entry.subject, len(entry.detail["documents"])) == ("group:team", 2)


def test_it_is_decided_when_it_is_read(office: Office) -> None:
    (salaries,) = [one for one in office.owners("erin")["user:carol"]["most_used"] if one["title"] == "Salaries"]
    office.post.readers(salaries["document_id"], "user:carol")
    assert [one["title"] for one in office.owners("erin")["user:carol"]["most_used"]] == [None, "Hotels"]
    office.manage(remove=("user:erin",))
    assert office.get("erin").status_code == 404


def test_who_does_not_manage_it_finds_nothing(office: Office) -> None:
    """Nor its members, nor who manages another: it looks as one that is not there."""
    office.manage("user:dave", group="inner")
    told = [
        office.get(user, group)
        for user, group in (
            ("carol", "group:team"), ("dave", "group:team"), ("erin", "group:inner"), ("erin", "group:none"),
            ("carol", "group:none"),
        )
    ]  # fmt: skip
    for response in told:
        assert response.status_code == 404
        assert (response.json(), response.headers) == (told[0].json(), told[0].headers)
    assert set(office.owners("dave", "group:inner")) == {"user:dave"}
    assert office.get("erin", "user:carol").status_code == 422


def test_who_acts_for_nobody_is_told_numbers_and_no_names(office: Office) -> None:
    found = office.owners(None)
    assert found["user:carol"]["counts"]["stale"] == 2
    assert [one["questions"] for one in found["user:carol"]["most_used"]] == [3, 1]
    assert all(one["document_id"] and one["title"] is None for one in found["user:carol"]["most_used"])
    for format in FORMATS:
        text = office.get(None, format=format).text
        assert not any(word in text for word in ("Salaries", "Hotels", "Plans", "files.example"))
    assert office.get(None, "group:none").status_code == 404
    assert office.post.audited("report.group") == []


def test_no_state_tells_of_a_successor_that_the_manager_may_not_read(office: Office) -> None:
    newer = office.post.document("Hotels 2", "user:frank", allow=("user:frank",), days=1)
    with office.post.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET supersedes = '{Hotels.md}' WHERE id = :i"), {"i": newer})
    assert office.owners("erin")["user:carol"]["counts"]["superseded"] == 0
    assert office.owners(None)["user:carol"]["counts"]["superseded"] == 1
    office.post.readers(newer, "user:erin")
    assert office.owners("erin")["user:carol"]["counts"]["superseded"] == 1


def test_what_is_quarantined_is_counted(office: Office) -> None:
    with office.post.catalog.transaction(TENANT) as session:
        session.add(
            Document(
                tenant_id=TENANT, id=new_id(), source_id="docs", external_id="x.pdf", title="", uri="",
                owner="user:dave", state="quarantined", problem={"reason": "encrypted", "detail": "secret"},
            )
        )  # fmt: skip
    assert office.owners("erin")["user:dave"]["quarantined"] == 1
    assert "secret" not in office.get("erin").text and "x.pdf" not in office.get("erin").text


def test_managers_are_users_who_are_there(office: Office) -> None:
    assert office.manage("group:inner").status_code == 422
    assert office.manage("user:nobody").status_code == 404
    assert office.manage("user:carol", group="none").status_code == 404
    assert office.manage("user:carol", remove=("user:erin", "user:carol")).json() == {"managers_in_all": 1}
    assert office.get("carol").status_code == 200 and office.get("erin").status_code == 404
    with office.post.catalog.transaction(TENANT) as session:
        directory.delete_user(session, TENANT, "user:carol", actor="test")
    assert office.manage().json() == {"managers_in_all": 0}
    assert len(office.post.audited("group.managers")) == 3


HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>'


def test_the_forms_are_whole_and_nothing_in_them_runs() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    used = Used("d1", Named(HOSTILE, HOSTILE, "javascript:alert(1)"), "stale", 3, 2)
    hidden = Used(None, Named(), "expired", 1, 1)
    counts = {**dict.fromkeys(STATES, 0), "stale": 2}
    owners = (OwnerCounts("user:carol", counts, 1, (used, hidden)),)
    report = GroupReport("group:team", "user:erin", at, at, 1, owners, 3)
    page = group_as_html(report)
    assert "<script" not in page and "href" not in page and "a document that you may not read" in page
    assert "2 owners besides" in page and "<svg" in page
    rows = list(csv.DictReader(io.StringIO(group_as_csv(report))))
    assert tuple(rows[0]) == GROUP_COLUMNS and (rows[0]["to_look_at"], rows[0]["stale"]) == ("2", "2")
    assert rows[1]["title"] == f"'{HOSTILE}" and (rows[2]["document_id"], rows[2]["questions"]) == ("", "1")
    nothing = GroupReport("group:team", None, at, at, None, (), 0)
    assert "They own nothing" in group_as_html(nothing)


def test_the_client_reads_it(office: Office) -> None:
    with served(office.app) as url, Client(url, office.key) as anyone:
        erin = anyone.as_user("user:erin")
        assert erin.reports.group("group:team").owners_in_all == 3
        assert erin.reports.group_as("csv", "group:team").startswith('"section","owner"')
        assert anyone.directory.change_managers("team", add=["user:dave"]) == 2
        assert anyone.directory.managers("team") == ("user:dave", "user:erin")
