"""Break-glass opens one document to one person for a while, in sight of everybody concerned, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from sqlmodel import select

from acl import directory
from acl.audit import Wanted, read
from acl.audit_verify import verify
from acl.keys import revoke_key
from ingestion.delete import delete_documents
from tests.retrieval.conftest import PARENTAL
from tests.retrieval.world import TENANT, World, open_world
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import ApiKey, AuditEntry, Document
from vouch.core import clock
from vouch.core.ids import new_id
from vouch.gateway.embed import Embedder

REASON = "Incident 4711: payroll stands still and nobody of the people team can be reached."
BREAKER = ("ask", "act_as", "break_glass")


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    for world in open_world(catalog, embedder, tmp_path):
        with catalog.transaction(TENANT) as session:
            directory.put_user(session, TENANT, "user:carol", name="Carol", actor="test")
            directory.put_group(session, TENANT, "group:owners", name="Owners", members=["user:carol"], actor="test")
        yield world


@pytest.fixture
def secret(world: World) -> str:
    """A document that HR alone may read, and that Carol, who is not in HR, answers for."""
    document_id = world.document("Parental leave", PARENTAL, allow=("group:hr",))
    _set(world, document_id, owner="user:carol")
    return document_id


def _set(world: World, document_id: str, **fields: Any) -> None:
    with world.catalog.transaction(TENANT) as session:
        row = session.get_one(Document, (TENANT, document_id))
        for name, value in fields.items():
            setattr(row, name, value)


def _delete(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        assert delete_documents(session, TENANT, "docs", ["Parental leave"], "test") == 1


def request(world: World, method: str, path: str, user: str | None, *scopes: str, **body: Any) -> Response:
    headers = world.headers(user, *(scopes or BREAKER))
    return world.client.request(method, f"/v1{path}", headers=headers, json=body or None)


def opened(world: World, document_id: str, user: str = "bob", minutes: int = 30) -> Any:
    body = {"document_id": document_id, "reason": REASON, "minutes": minutes}
    response = request(world, "POST", "/break-glass", user, **body)
    assert response.status_code == 201, response.text
    return response.json()


def entries(world: World, **wanted: Any) -> list[AuditEntry]:
    with world.catalog.reading(TENANT) as session:
        found = list(read(session, TENANT, Wanted(**wanted), limit=100))
        session.expunge_all()
    return found


def test_it_opens_the_document_and_nothing_else(world: World, secret: str) -> None:
    other = world.document("Other secret", "Nobody outside HR reads this either.", allow=("group:hr",))
    grant = opened(world, secret)
    card = request(world, "GET", f"/break-glass/{grant['id']}/document", "bob")
    assert (card.status_code, card.json()["document_id"], card.json()["title"]) == (200, secret, "Parental leave")
    text = request(world, "GET", f"/break-glass/{grant['id']}/text?start=14&end=19", "bob")
    assert text.json()["text"] == PARENTAL[14:19]
    assert text.headers["cache-control"] == "no-store"
    whole = request(world, "GET", f"/break-glass/{grant['id']}/text", "bob").json()
    assert (whole["text"], whole["length"]) == (PARENTAL, len(PARENTAL))

    missing = request(world, "GET", f"/documents/{new_id()}", "bob").content
    for path in (f"/documents/{secret}", f"/documents/{secret}/text", f"/documents/{other}"):
        assert request(world, "GET", path, "bob").content == missing
    assert world.search("bob", "paid parental leave") == []
    assert world.ask("bob", "How many weeks of paid parental leave may a parent take?")["kind"] == "abstention"


def test_each_reading_is_on_the_audit_log(world: World, secret: str) -> None:
    grant = opened(world, secret)
    for path in ("document", "text?start=0&end=5", "text"):
        request(world, "GET", f"/break-glass/{grant['id']}/{path}", "bob")
    request(world, "DELETE", f"/break-glass/{grant['id']}", "bob")
    found = entries(world, document=secret, actor="user:bob")[::-1]
    assert [entry.action for entry in found] == [
        "break_glass.granted", "break_glass.document", "break_glass.text", "break_glass.text", "break_glass.ended",
    ]  # fmt: skip
    assert found[0].detail["reason"] == REASON
    assert found[0].detail["told"] == found[1].detail["told"] == ["user:carol"]
    assert found[2].detail["documents"] == {secret: 1}
    assert (found[2].detail["span"], found[3].detail["span"]) == ([0, 5], [0, None])
    assert {entry.detail["grant"] for entry in found} == {grant["id"]}
    assert all(entry.actor.startswith("user:bob via key:") for entry in found)
    assert not any("parental" in str(entry.detail).lower() for entry in found)
    with world.catalog.reading(TENANT) as session:
        assert not verify(session, TENANT, [b"of the tests"], ()).broken


def test_the_owner_is_told_of_the_grant_and_of_the_first_reading(world: World, secret: str) -> None:
    grant = opened(world, secret)
    for _ in range(3):
        request(world, "GET", f"/break-glass/{grant['id']}/text", "bob")
    told = request(world, "GET", "/notifications?unseen=true", "carol").json()["notifications"]
    assert [one["kind"] for one in told] == ["break_glass.read", "break_glass.granted"]
    for one in told:
        assert one["detail"] == {
            "grant": grant["id"], "user": "user:bob", "reason": REASON, "expires_at": grant["expires_at"],
        }  # fmt: skip
        assert (one["document_id"], one["title"]) == (secret, None)  # Carol owns it, and may not read it
    world.member("hr", add=["user:carol"])
    assert request(world, "GET", "/notifications", "carol").json()["notifications"][0]["title"] == "Parental leave"
    world.member("hr", remove=["user:carol"])
    assert request(world, "GET", "/notifications", "carol").json()["notifications"][0]["title"] is None
    assert request(world, "GET", "/notifications", "bob").json()["notifications"] == []

    seen = f"/notifications/{told[0]['id']}/seen"
    missing = request(world, "POST", f"/notifications/{new_id()}/seen", "bob")
    other = request(world, "POST", seen, "bob")
    assert (other.status_code, other.content, other.headers) == (404, missing.content, missing.headers)
    for _ in range(2):
        assert request(world, "POST", seen, "carol").status_code == 204
    left = request(world, "GET", "/notifications?unseen=true", "carol").json()["notifications"]
    assert [one["id"] for one in left] == [told[1]["id"]]
    assert len(request(world, "GET", "/notifications", "carol").json()["notifications"]) == 2
    page = request(world, "GET", "/notifications?limit=1", "carol").json()
    rest = request(world, "GET", f"/notifications?limit=1&cursor={page['next_cursor']}", "carol").json()
    assert [page["notifications"][0]["id"], rest["notifications"][0]["id"]] == [one["id"] for one in told]
    assert rest["next_cursor"] is None


def test_a_group_that_owns_is_told_and_else_the_sources_owner(world: World, secret: str) -> None:
    world.member("owners", add=["user:dave", "group:hr"])
    with world.catalog.transaction(TENANT) as session:
        directory.put_user(session, TENANT, "user:dave", name="Dave", active=False, actor="test")
    _set(world, secret, owner="group:owners")
    opened(world, secret)
    assert entries(world, action="break_glass.granted")[0].detail["told"] == ["user:alice", "user:carol"]

    _set(world, secret, owner=None)
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE source SET owner = 'user:alice'"))
    opened(world, secret)
    assert entries(world, action="break_glass.granted")[0].detail["told"] == ["user:alice"]

    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE source SET owner = NULL"))
    opened(world, secret)
    assert entries(world, action="break_glass.granted")[0].detail["told"] == []


@pytest.mark.parametrize("path", ["document", "text"])
def test_over_looks_like_never(world: World, secret: str, path: str) -> None:
    never = request(world, "GET", f"/break-glass/{new_id()}/{path}", "bob")
    assert never.status_code == 404

    def same(grant: str, user: str = "bob", at: datetime | None = None) -> None:
        with clock.frozen(at or clock.now()):
            response = request(world, "GET", f"/break-glass/{grant}/{path}", user)
        assert (response.status_code, response.content, response.headers) == (404, never.content, never.headers)

    short = opened(world, secret, minutes=1)["id"]
    same(short, user="dave")
    same(short, at=clock.now() + timedelta(seconds=61))
    assert request(world, "GET", f"/break-glass/{short}/{path}", "bob").status_code == 200
    assert request(world, "DELETE", f"/break-glass/{short}", "bob").status_code == 204
    same(short)
    assert request(world, "DELETE", f"/break-glass/{short}", "bob").status_code == 204  # it stays ended

    gone = opened(world, secret)["id"]
    _delete(world)
    same(gone)


def test_a_source_that_is_being_deleted_closes_its_documents(world: World, secret: str) -> None:
    grant = opened(world, secret)["id"]
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE source SET state = 'deleting'"))
    assert request(world, "GET", f"/break-glass/{grant}/text", "bob").status_code == 404


def test_who_may_no_longer_is_refused(world: World, secret: str) -> None:
    grant = opened(world, secret)["id"]
    path = f"/break-glass/{grant}/text"
    # without the scope, and for nobody
    assert request(world, "GET", path, "bob", "ask", "act_as").json()["code"] == "forbidden"
    assert request(world, "GET", path, None).json()["code"] == "acts_for_nobody"
    # an administrator without it, who may end it all the same
    assert request(world, "GET", path, "bob", "admin", "act_as").json()["code"] == "forbidden"
    # the user is no longer active
    with world.catalog.transaction(TENANT) as session:
        directory.put_user(session, TENANT, "user:bob", name="Bob", active=False, actor="test")
    assert request(world, "GET", path, "bob").status_code == 401
    with world.catalog.transaction(TENANT) as session:
        directory.put_user(session, TENANT, "user:bob", name="Bob", actor="test")
    assert request(world, "GET", path, "bob").status_code == 200
    # the key is revoked
    with world.catalog.transaction(TENANT) as session:
        key = session.exec(select(ApiKey).where(ApiKey.scopes == sorted(BREAKER))).one()
        revoke_key(session, TENANT, key.id, actor="test")
    assert request(world, "GET", path, "bob").status_code == 401
    assert entries(world, action="break_glass.text")[1:] == []


def test_grants_are_ones_own_and_an_administrators_all(world: World, secret: str) -> None:
    bobs, daves = opened(world, secret)["id"], opened(world, secret, user="dave")["id"]

    def listed(user: str | None, *scopes: str) -> list[str]:
        response = request(world, "GET", "/break-glass", user, *scopes)
        return [one["id"] for one in response.json()["grants"]]

    assert listed("bob") == [bobs]
    assert listed(None, "admin") == [daves, bobs]
    assert request(world, "GET", "/break-glass", "bob", "ask", "act_as").status_code == 403
    assert request(world, "GET", "/break-glass", None).status_code == 403
    page = request(world, "GET", "/break-glass?limit=1", None, "admin").json()
    rest = request(world, "GET", f"/break-glass?limit=1&cursor={page['next_cursor']}", None, "admin").json()
    assert [page["grants"][0]["id"], rest["grants"][0]["id"], rest["next_cursor"]] == [daves, bobs, None]

    missing = request(world, "DELETE", f"/break-glass/{new_id()}", "bob")
    other = request(world, "DELETE", f"/break-glass/{daves}", "bob")
    assert (other.status_code, other.content, other.headers) == (404, missing.content, missing.headers)
    assert request(world, "DELETE", f"/break-glass/{daves}", None, "admin").status_code == 204
    states = {one["id"]: one["state"] for one in request(world, "GET", "/break-glass", None, "admin").json()["grants"]}
    assert states == {bobs: "active", daves: "ended"}
    assert request(world, "GET", f"/break-glass/{daves}/text", "dave").status_code == 404
    with clock.frozen(clock.now() + timedelta(hours=2)):
        assert request(world, "GET", "/break-glass", "bob").json()["grants"][0]["state"] == "expired"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "too short"}, "reason"),
        ({"reason": " " * 20}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "a\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b"}, "reason"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 61}, "minutes"),
        ({"other": 1}, "other"),
    ],
)
def test_a_request_out_of_bounds_is_refused(world: World, secret: str, change: dict[str, Any], field: str) -> None:
    body = {"document_id": secret, "reason": REASON, "minutes": 5, **change}
    response = request(world, "POST", "/break-glass", "bob", **body)
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert entries(world, action="break_glass.granted") == []


def test_a_document_that_is_not_there_is_refused_and_the_attempt_is_logged(world: World, secret: str) -> None:
    body = {"reason": REASON, "minutes": 5}
    unknown = new_id()
    never = request(world, "POST", "/break-glass", "bob", document_id=unknown, **body)
    _delete(world)
    gone = request(world, "POST", "/break-glass", "bob", document_id=secret, **body)
    assert (gone.status_code, gone.content, gone.headers) == (404, never.content, never.headers)
    refused = entries(world, action="break_glass.refused")
    assert [entry.subject for entry in refused] == [f"document:{secret}", f"document:{unknown}"]
    with world.catalog.reading(ACROSS_TENANTS) as session:
        assert session.execute(sa.text("SELECT count(*) FROM break_glass")).scalar() == 0
        assert session.execute(sa.text("SELECT count(*) FROM notification")).scalar() == 0


def test_what_cannot_be_logged_is_not_shown(world: World, secret: str) -> None:
    """Each kind of reading fails when its entry cannot be written, and hands out nothing."""
    grant = opened(world, secret)["id"]
    answer = world.ask("alice", "How many weeks of paid parental leave may a parent take?")
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("ALTER TABLE audit_entry ADD CONSTRAINT full_up CHECK (false) NOT VALID"))
    client = world.client.__class__(world.client.app, raise_server_exceptions=False)
    for method, path, user, body in (
        ("GET", f"/break-glass/{grant}/text", "bob", None),
        ("GET", f"/documents/{secret}", "alice", None),
        ("GET", f"/documents/{secret}/text", "alice", None),
        ("GET", f"/answers/{answer['answer_id']}", "alice", None),
        ("GET", f"/answers/{answer['answer_id']}/citations", "alice", None),
        ("GET", f"/traces/{answer['trace_id']}", "alice", None),
        ("POST", "/search", "alice", {"query": "parental leave"}),
        ("POST", "/ask", "alice", {"question": "How many weeks of paid parental leave may a parent take?"}),
    ):
        response = client.request(method, f"/v1{path}", headers=world.headers(user, *BREAKER), json=body)
        assert response.status_code == 500, (path, response.text)
        assert "parental leave" not in response.text.lower(), path
