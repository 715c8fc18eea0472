"""Verified by its owner: who may say it, what it does, how long it lasts, and what is written down of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from acl import directory
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.core import clock
from vouch.core.ids import new_id

DAY = 86_400
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(days=400)
HOTEL = "Hotel costs are reimbursed up to 90 euros per night."


@pytest.fixture
def aging(empty: World) -> World:
    """A source whose documents age."""
    empty.source("aging", review_every_s=180 * DAY, stale_after_s=365 * DAY, expire_after_s=730 * DAY)
    return empty


def _hotels(world: World, *, owner: str | None = "user:bob", **given: Any) -> str:
    return world.document("Hotels", HOTEL, source="aging", modified_at=AT, owner=owner, **given)


def _review(world: World, user: str, document: str, **body: object) -> Any:
    return world.post(f"/documents/{document}/review", user, **body)


def _state(world: World, document: str, user: str = "bob") -> str:
    return str(world.get(f"/documents/{document}", user).json()["freshness"]["state"])


def test_an_owners_word_makes_it_fresh_until_then_and_due_after(aging: World) -> None:
    document = _hotels(aging)
    with clock.frozen(LATER):
        assert _state(aging, document) == "stale"
        assert [notice["kind"] for notice in aging.ask("bob", HOTEL)["notices"]] == ["stale"]
        response = _review(aging, "bob", document, until="2027-12-31", comment="Checked.")
        assert response.status_code == 200, response.text
        assert response.json()["freshness"] == {
            "state": "fresh", "modified_at": "2026-03-01T12:00:00Z", "review_due": "2027-12-31T23:59:59Z",
            "superseded_by": None,
        }  # fmt: skip
        kept = {"by": "user:bob", "at": "2027-04-05T12:00:00Z", "until": "2027-12-31T23:59:59Z", "comment": "Checked."}
        assert response.json()["review"] == kept
        assert aging.get(f"/documents/{document}", "dave").json()["review"] == kept
        assert aging.ask("bob", HOTEL)["notices"] == []
    with clock.frozen(datetime(2028, 1, 1, tzinfo=UTC)):
        assert _state(aging, document) == "due"  # an age of 271 days since the review
    with clock.frozen(LATER + timedelta(days=731)):
        assert _state(aging, document) == "expired"


def test_without_an_end_the_policy_counts_from_the_review(aging: World) -> None:
    document = _hotels(aging)
    with clock.frozen(LATER):
        found = _review(aging, "bob", document).json()
        assert (found["freshness"]["state"], found["freshness"]["review_due"]) == ("fresh", "2027-10-02T12:00:00Z")
        assert found["review"]["until"] is None
    with clock.frozen(LATER + timedelta(days=181)):
        assert _state(aging, document) == "due"
        assert _review(aging, "bob", document, until="2029-01-01T08:00:00+02:00").json()["review"]["until"] == (
            "2029-01-01T06:00:00Z"
        )


def test_a_newer_version_is_not_verified_by_the_review_of_the_one_before(aging: World) -> None:
    document = _hotels(aging)
    with clock.frozen(LATER):
        assert _review(aging, "bob", document, version=1, until="2027-12-31").status_code == 200
        aging.publish(document, "Hotel costs are reimbursed up to 95 euros per night.")
        found = aging.get(f"/documents/{document}", "bob").json()
        assert (found["version"], found["freshness"]["state"], found["review"]) == (2, "stale", None)
        refused = _review(aging, "bob", document, version=1)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert _review(aging, "bob", document, version=2).json()["freshness"]["state"] == "fresh"


@pytest.mark.parametrize(
    ("owner", "of_source", "allow", "who"),
    [
        ("user:bob", None, ("authenticated",), "alice"),  # reads it, and owns nothing
        (None, None, ("authenticated",), "alice"),
        ("authenticated", "authenticated", ("authenticated",), "alice"),  # what everyone is owns nothing
        ("user:bob", None, ("group:hr",), "bob"),  # owns it, and may not read it
        (None, "user:bob", ("group:hr",), "bob"),
        ("group:hr", None, ("user:bob",), "bob"),
    ],
)
def test_who_does_not_own_it_or_may_not_read_it_finds_nothing(
    empty: World, owner: str | None, of_source: str | None, allow: tuple[str, ...], who: str
) -> None:
    empty.source("aging", owner=of_source, stale_after_s=365 * DAY)
    document = _hotels(empty, owner=owner, allow=allow)
    refused = _review(empty, who, document, comment="Mine.", version=7)
    missing = _review(empty, who, new_id(), comment="Mine.", version=7)
    assert refused.status_code == missing.status_code == 404
    assert refused.json() == missing.json() and refused.headers == missing.headers
    with empty.catalog.reading(TENANT) as session:
        assert session.execute(sa.text("SELECT count(*) FROM review")).scalar() == 0
        assert (
            session.execute(sa.text("SELECT count(*) FROM audit_entry WHERE action = 'document.review'")).scalar() == 0
        )


@pytest.mark.parametrize(("owner", "of_source"), [("group:hr", None), (None, "user:alice"), ("user:bob", "group:hr")])
def test_a_group_and_the_owner_of_the_source_own_it_too(empty: World, owner: str | None, of_source: str | None) -> None:
    empty.source("aging", owner=of_source, stale_after_s=365 * DAY)
    document = _hotels(empty, owner=owner)
    with clock.frozen(LATER):
        assert _review(empty, "alice", document).json()["freshness"]["state"] == "fresh"
    empty.member("hr", remove=["user:alice"])
    assert _review(empty, "alice", document).status_code == (200 if of_source == "user:alice" else 404)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"until": "2027-04-04"}, "invalid_input", "until"),
        ({"until": "2027-04-05T12:00:00Z"}, "invalid_input", "until"),
        ({"until": "2099-01-01"}, "invalid_input", "until"),
        ({"until": "9999-12-31"}, "invalid_input", "until"),
        ({"until": "soon"}, "invalid_input", "until"),
        ({"until": "2027-12-31T10:00:00"}, "invalid_input", "until"),
        ({"version": 0}, "invalid_input", "version"),
        ({"comment": "x" * 2_001}, "invalid_input", "comment"),
        ({"for": "ever"}, "unknown_field", "for"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(
    aging: World, body: dict[str, object], code: str, field: str
) -> None:
    document = _hotels(aging)
    with clock.frozen(LATER):
        for wanted in (document, new_id()):  # before anything is looked up
            refused = _review(aging, "bob", wanted, **body)
            assert (refused.status_code, refused.json()["code"]) == (422, code)
            assert refused.json()["field"].startswith(field)


def test_the_audit_log_has_who_when_and_until_and_not_the_comment(aging: World) -> None:
    document = _hotels(aging)
    with clock.frozen(LATER):
        _review(aging, "bob", document, until="2027-12-31", comment="As Carol wrote to me.")
    with aging.catalog.reading(TENANT) as session:
        row = session.execute(sa.text("SELECT * FROM audit_entry WHERE action = 'document.review'")).one()
    assert row.actor.startswith("user:bob via key:")
    assert row.subject == f"document:{document}"
    assert {name: row.detail[name] for name in ("version", "until")} == {"version": 1, "until": "2027-12-31T23:59:59Z"}
    assert "Carol" not in str(row)


def test_a_document_whose_source_is_gone_or_that_expired_is_cited_with_a_notice(aging: World) -> None:
    _hotels(aging)
    with clock.frozen(AT + timedelta(days=731)):
        answer = aging.ask("bob", HOTEL)
        assert answer["citations"][0]["freshness"]["state"] == "expired"
        assert [notice["kind"] for notice in answer["notices"]] == ["expired"]
    with aging.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET failing_since = :at"), {"at": AT - timedelta(days=2)})
    with clock.frozen(AT + timedelta(days=1)):
        answer = aging.ask("bob", HOTEL)
        assert answer["citations"][0]["freshness"]["state"] == "source_gone"
        assert [notice["kind"] for notice in answer["notices"]] == ["source_gone"]


def test_whether_its_owner_is_there_is_not_told_to_readers(aging: World) -> None:
    document = _hotels(aging)
    with aging.catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_user(session, TENANT, "user:bob", name="Bob", active=False, actor="test")
    with clock.frozen(AT):
        assert _state(aging, document, "dave") == "fresh"
