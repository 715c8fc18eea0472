"""The staleness report: who is told what, in which order, in every format; and that nothing in it runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from acl import directory
from ingestion.reports.delimited import COLUMNS, as_csv
from ingestion.reports.html import as_html
from ingestion.reports.staleness import Listed, Named, Quarantined, Report, Unanswered
from tests.applications import ingestion_routes
from tests.client.conftest import served
from tests.retrieval.world import TENANT, World, open_world
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document
from vouch.client import Client
from vouch.core import clock
from vouch.core.delimited import inert
from vouch.core.ids import new_id
from vouch.gateway.embed import Embedder

DAY = 86_400
OLD = clock.now() - timedelta(days=400)
TEXTS = {
    "Hotels": "Hotel costs are reimbursed up to 90 euros per night.",
    "Boats": "The rowing boat may be borrowed on Fridays.",
    "Salaries": "The salary band of an engineer begins at 51 thousand euros.",
    "Sauna": "The sauna is heated every Tuesday evening.",
}


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    """Bob owns hotels and boats, which everyone reads, and salaries, which he may not; Alice the sauna."""
    for world in open_world(catalog, embedder, tmp_path):
        world.source("aging", owner="user:dave", review_every_s=180 * DAY, stale_after_s=365 * DAY)
        for title, text in TEXTS.items():
            allow = ("group:hr",) if title == "Salaries" else ("authenticated",)
            owner = "user:alice" if title == "Sauna" else "user:bob"
            world.document(
                title, text, source="aging", modified_at=OLD, owner=owner, allow=allow, project=title == "Sauna"
            )
        yield world


@pytest.fixture
def app(world: World) -> Iterator[FastAPI]:
    """The routes of ingestion on the same catalog."""
    with ingestion_routes() as app:
        app.state.ingestion = SimpleNamespace(catalog=world.catalog)
        app.state.catalog, app.state.secret_key = world.catalog, world.services.secret_key
        yield app


@pytest.fixture
def reports(world: World, app: FastAPI) -> Reporting:
    return Reporting(world, TestClient(app))


class Reporting:
    def __init__(self, world: World, http: TestClient) -> None:
        self.world, self.http = world, http

    def get(self, user: str | None, **query: Any) -> Any:
        headers = self.world.headers(user, "reports", "act_as")
        return self.http.get("/v1/reports/staleness", params=query, headers=headers)

    def json(self, user: str | None, **query: Any) -> Any:
        response = self.get(user, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def titles(self, user: str | None, **query: Any) -> list[str]:
        return [row["title"] for row in self.json(user, **query)["documents"]]


FORMATS = ("json", "csv", "html")


def test_each_owner_sees_what_they_own_and_may_read(reports: Reporting) -> None:
    assert sorted(reports.titles("bob")) == ["Boats", "Hotels"]
    assert sorted(reports.titles("bob", owner="user:bob")) == ["Boats", "Hotels"]
    assert reports.titles("alice") == ["Sauna"]
    assert reports.titles("dave") == []  # the source is his, and others answer for all of it
    for format in FORMATS:
        text = reports.get("bob", format=format).text
        assert "Hotels" in text and "Salaries" not in text and "Sauna" not in text
    (row,) = reports.json("alice")["documents"]
    assert (row["state"], row["owner"], row["external_id"]) == ("stale", "user:alice", "Sauna")
    assert row["review_due"] < reports.json("alice")["generated_at"]


def test_it_is_decided_when_it_is_read(reports: Reporting, world: World) -> None:
    (hotels,) = [row for row in reports.json("bob")["documents"] if row["title"] == "Hotels"]
    world.readers(hotels["document_id"], ("group:hr",), project=False)
    after = reports.json("bob")
    assert [row["title"] for row in after["documents"]] == ["Boats"]
    assert after["counts"]["stale"] == 1
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_user(session, TENANT, "user:bob", name="Bob", active=False, actor="test")
    assert reports.get("bob").status_code == 401


def test_another_owner_is_as_missing_as_one_that_is_not_there(reports: Reporting) -> None:
    told = [reports.get("bob", owner=owner) for owner in ("user:alice", "user:nobody", "group:hr", "authenticated")]
    for response in told:
        assert response.status_code == 404
        assert (response.json(), response.headers) == (told[0].json(), told[0].headers)
    assert reports.json("alice", owner="group:hr")["documents"] == []  # hers, and it owns nothing
    assert reports.get("bob", owner="bob").status_code == 422


def test_who_acts_for_nobody_is_told_states_and_counts_and_no_names(reports: Reporting, world: World) -> None:
    world.ask("bob", TEXTS["Boats"])
    _quarantine(world, "secret-plan.pdf", owner="user:bob", detail="It names the secret plan.")
    found = reports.json(None)
    assert found["counts"]["stale"] == 4 and found["user"] is None
    assert {row["owner"] for row in found["documents"]} == {"user:alice", "user:bob"}
    assert [row["questions"] for row in found["documents"]] == [1, 0, 0, 0]
    assert reports.json(None, owner="user:bob")["counts"]["stale"] == 3
    assert reports.json(None, owner="user:nobody")["counts"]["stale"] == 0
    for format in FORMATS:
        text = reports.get(None, format=format).text.lower()
        assert not any(word in text for word in ("hotels", "boats", "salaries", "sauna", "secret", "docs.example"))
        assert found["documents"][0]["document_id"] in text


def test_who_may_ask_reads_their_own_report_and_no_other(world: World, reports: Reporting) -> None:
    def get(path: str = "", user: str | None = "bob", scope: str = "ask", **query: str) -> tuple[int, Any]:
        headers = world.headers(user, scope, "act_as")
        response = reports.http.get(f"/v1/reports/staleness{path}", params=query, headers=headers)
        return response.status_code, response.json()

    assert get(scope="reports")[1] | {"generated_at": "", "since": ""} == get()[1] | {"generated_at": "", "since": ""}
    assert sorted(row["title"] for row in get()[1]["documents"]) == ["Boats", "Hotels"]
    assert get(owner="user:alice") == get(owner="user:nobody") and get(owner="user:alice")[0] == 404
    refused = [get(user=None), get("/group", group="group:hr"), get(scope="sources"), get(user=None, scope="sources")]
    codes = [(status, body["code"]) for status, body in refused]
    assert codes == [(403, "acts_for_nobody"), *[(403, "forbidden")] * 3]


def test_the_most_used_come_first_with_how_many_people_they_reached(reports: Reporting, world: World) -> None:
    assert {row["questions"] for row in reports.json("bob")["documents"]} == {0}
    for user in ("alice", "dave", "dave"):
        assert world.ask(user, TEXTS["Boats"])["kind"] == "answer"
    assert world.ask("alice", TEXTS["Hotels"])["kind"] == "answer"
    found = [(row["title"], row["questions"], row["people"]) for row in reports.json("bob")["documents"]]
    assert found == [("Boats", 3, 2), ("Hotels", 1, 1)]
    with world.catalog.transaction(ACROSS_TENANTS) as session:  # older than the window
        session.execute(
            sa.text("UPDATE answer SET created_at = now() - interval '31 days' WHERE user_id = 'user:dave'")
        )
    assert {row["title"]: row["questions"] for row in reports.json("bob")["documents"]} == {"Boats": 1, "Hotels": 1}


def test_pages_hold_every_document_once_in_order(reports: Reporting, world: World) -> None:
    for number in range(7):
        world.document(f"Rule {number}", "x", source="aging", modified_at=OLD, owner="user:bob", project=False)
    world.projector.catch_up()
    world.ask("dave", TEXTS["Boats"])
    whole = [row["document_id"] for row in reports.json("bob")["documents"]]
    assert len(whole) == 9
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = reports.json("bob", limit=2, **cursor)
        paged += [row["document_id"] for row in page["documents"]]
        assert page["counts"]["stale"] == 9
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == whole
    for wrong in ("x", "bm90LWE", "MS4yLjMu", ""):
        response = reports.get("bob", cursor=wrong)
        assert (response.status_code, response.json()["field"]) == (422, "cursor")


def test_a_superseded_document_that_is_still_cited_is_told_of_with_a_successor_within_sight(
    reports: Reporting, world: World
) -> None:
    world.ask("dave", TEXTS["Boats"])
    world.document("Boats 2026", "Boats are gone.", source="aging", supersedes=("Boats",), allow=("group:hr",))
    assert reports.json("bob")["superseded"] == []  # its successor is not Bob's to know of
    assert "Boats 2026" not in reports.get("bob", format="html").text
    new = world.document("Boats 2025", "Boats stay.", source="aging", supersedes=("Boats",))
    found = reports.json("bob")
    (row,) = found["superseded"]
    assert (row["title"], row["superseded_by"], row["successor"]) == ("Boats", new, "Boats 2025")
    assert found["superseded_cited"] == 1
    assert [row["title"] for row in found["documents"]] == ["Hotels"]
    assert "Boats 2025" in reports.get("bob", format="html").text


def _quarantine(world: World, name: str, *, owner: str, detail: str, allow: str | None = None) -> str:
    """A document that never came through."""
    document_id = new_id()
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(
            Document(
                tenant_id=TENANT, id=document_id, source_id="aging", external_id=name, title="", uri="", owner=owner,
                state="quarantined", problem={"reason": "encrypted", "detail": detail},
            )
        )  # fmt: skip
    if allow is not None:
        world.readers(document_id, (allow,), project=False)
    return document_id


def test_what_was_quarantined_is_told_to_its_owner_by_name_only_where_its_rules_permit(
    reports: Reporting, world: World
) -> None:
    open_ = _quarantine(world, "open.pdf", owner="user:bob", detail="It needs a password.", allow="authenticated")
    unsaid = _quarantine(world, "unsaid.pdf", owner="user:bob", detail="It needs a password.")
    _quarantine(world, "of-hr.pdf", owner="user:bob", detail="It needs a password.", allow="group:hr")
    _quarantine(world, "of-alice.pdf", owner="user:alice", detail="It needs a password.", allow="authenticated")
    found = reports.json("bob")
    told = {row["document_id"]: (row["external_id"], row["reason"], row["detail"]) for row in found["quarantined"]}
    assert told == {open_: ("open.pdf", "encrypted", "It needs a password."), unsaid: (None, "encrypted", None)}
    assert found["quarantined_in_all"] == 2
    page = reports.get("bob", format="html").text
    assert "open.pdf" in page and not any(name in page for name in ("unsaid.pdf", "of-hr.pdf", "of-alice.pdf"))


def test_refused_questions_near_the_documents_are_counted_and_never_told(reports: Reporting, world: World) -> None:
    question = "Which rowing championship did the company win?"
    assert world.ask("dave", question)["kind"] == "abstention"
    with world.catalog.reading(TENANT) as session:
        assert session.execute(sa.text("SELECT jsonb_array_length(data->'inputs') FROM trace")).scalar()
    assert reports.json("bob")["unanswered"] == {"questions": 1, "people": 1}
    assert reports.json(None)["unanswered"] == {"questions": 1, "people": 1}
    for format in FORMATS:
        assert "championship" not in reports.get("bob", format=format).text


def test_what_nobody_answers_for_any_more_comes_to_the_owner_of_the_source(reports: Reporting, world: World) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE document SET modified_at = now()"))
        directory.put_user(session, TENANT, "user:bob", name="Bob", active=False, actor="test")
    found = reports.json("dave")
    assert {row["title"]: row["state"] for row in found["documents"]} == {"Boats": "ownerless", "Hotels": "ownerless"}
    assert found["counts"] == {
        "fresh": 0, "ownerless": 2, "due": 0, "stale": 0, "source_gone": 0, "expired": 0, "superseded": 0
    }  # fmt: skip
    assert reports.json("alice")["counts"]["fresh"] == 1


def test_a_report_with_names_is_on_the_audit_log_and_one_without_is_not(reports: Reporting, world: World) -> None:
    found = reports.json("bob")
    reports.json(None)
    with world.catalog.reading(TENANT) as session:
        (row,) = session.execute(sa.text("SELECT * FROM audit_entry WHERE action = 'report.staleness'")).all()
    assert row.actor.startswith("user:bob via key:")
    assert row.detail["documents"] == sorted(one["document_id"] for one in found["documents"])


# --- the formats ----------------------------------------------------------------------------------------------------

HOSTILE = '=HYPERLINK("http://x")<script>alert(\'1\')</script>\u202e\x07 & "quoted"'


def _report(**given: Any) -> Report:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    row = Listed("d1", "s1", Named(HOSTILE, HOSTILE, "javascript:alert(1)"), HOSTILE, "stale", at, at, None, 2, 1)
    good = replace(row, document_id="d2", named=Named("a.md", "Plain", 'https://files.example.org/a?b="c"&d'))
    report = Report(
        owner="user:bob", user="user:bob", at=at, since=at, epoch=1,
        counts={"fresh": 3, "stale": 2, "superseded": 1}, documents=(row, good),
        superseded=(replace(row, superseded_by="d3", successor=HOSTILE),), superseded_cited=1,
        quarantined=(Quarantined("d4", "s1", Named(HOSTILE), None, "encrypted", HOSTILE),), quarantined_in_all=3,
        unanswered=Unanswered(1, 1), after=None,
    )  # fmt: skip
    return replace(report, **given)


class _Page(HTMLParser):
    """Tags in order, checked to be closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_whole_and_nothing_in_it_runs_or_is_fetched() -> None:
    text = as_html(_report())
    page = _Page(text)
    assert page.open == []
    assert page.tags <= {
        "html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "span", "table", "tr", "th", "td", "a", "br",
        "bdi", "svg", "text", "rect",
    }  # fmt: skip
    assert not any(name.startswith("on") or name in ("src", "srcset", "background") for name, _ in page.attributes)
    assert "url(" not in text and "@import" not in text and "<script" not in text
    assert [value for name, value in page.attributes if name == "href"] == ['https://files.example.org/a?b="c"&d']
    said = "".join(page.words)
    assert "<script>alert('1')</script>" in said  # as words
    assert "\x07" not in text
    assert {"svg", "rect"} <= page.tags and page.words.count("stale") >= 2
    assert "2 quarantined documents besides" in said and "1 question of 1 person in 30 days" in said


@pytest.mark.parametrize(
    "uri", ["http:x", "//x/y", "data:text/html,x", " javascript:alert(1)", "http://[x", "file:///a"]
)
def test_what_does_not_lead_to_the_web_is_no_link(uri: str) -> None:
    row = replace(_report().documents[0], named=Named("a", "A", uri))
    assert "href" not in as_html(_report(documents=(row,)))


def test_a_report_of_nothing_is_a_page_too() -> None:
    nothing = _report(
        counts={}, documents=(), superseded=(), quarantined=(), quarantined_in_all=0, unanswered=Unanswered(0, 0)
    )
    page = _Page(as_html(nothing))
    assert page.open == [] and any("Nothing is due" in words for words in page.words)


def test_the_csv_reads_back_and_no_cell_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(_report()))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["section"] for row in rows] == ["documents", "documents", "superseded", "quarantined", "unanswered"]
    assert rows[0]["title"] == f"'{HOSTILE}"
    assert (rows[1]["title"], rows[1]["questions"], rows[1]["review_due"]) == ("Plain", "2", "2026-11-21T00:00:00Z")
    assert rows[3]["reason"] == "encrypted"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "＝1", "\u00a0=1"])
def test_what_a_spreadsheet_would_compute_is_made_inert(text: str) -> None:
    assert inert(text) == f"'{text}"
    assert inert(f"a{text}") == f"a{text}"


def test_a_response_is_not_cached_and_may_do_nothing(reports: Reporting) -> None:
    kinds = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
    for format, kind in kinds.items():
        headers = reports.get("bob", format=format).headers
        assert (headers["content-type"], headers["cache-control"]) == (kind, "no-store")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
    assert reports.get("bob", format="pdf").status_code == 422


def test_the_client_reads_it(world: World, app: FastAPI) -> None:
    key = world.headers(None, "reports", "act_as")["Authorization"].removeprefix("Bearer ")
    with served(app) as url, Client(url, key) as anyone:
        client = anyone.as_user("user:bob")
        assert client.reports.staleness("user:bob", limit=1).next_cursor is not None
        assert {one.title for one in client.reports.staleness_documents()} == {"Boats", "Hotels"}
        assert client.reports.staleness_as("csv").startswith('"section","document_id"')
        assert anyone.reports.staleness().counts["stale"] == 4
