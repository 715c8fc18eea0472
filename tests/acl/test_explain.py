"""The explanation says which rule decided, never that one of several did; and it is gate 2's decision."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from acl import directory
from acl.assign import assign
from acl.explain import explain
from acl.readers import Page, readers
from acl.recheck import recheck
from acl.resolve import resolve
from tests.acl.test_history import DOCUMENTS, USERS, begin, histories, run
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core.errors import NotFound, Unauthenticated
from vouch.core.types import Clause

OLD = "UPDATE source SET kind = 'filesystem', acl_max_age_s = 60, acl_read_at = now() - make_interval(secs => 90)"


@pytest.fixture
def world(catalog: Catalog) -> Catalog:
    """u0 is in g0, which is in g1, and so on round to g3, which is in g0; each reads every document."""
    begin(catalog)
    return catalog


def why(catalog: Catalog, user: str = "user:u0", document: str = "d0") -> list[str]:
    with catalog.reading("t") as session:
        found = explain(session, "t", user, document)
        assert (found["decision"] == "allowed") == (found["reasons"] == ["every clause permits"])
        return list(found["reasons"])


def give(catalog: Catalog, *clauses: Clause) -> None:
    with catalog.transaction("t") as session:
        assign(session, "t", {"d0": clauses}, actor="test")


def change(catalog: Catalog, statement: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text(statement))


def test_the_path_of_memberships_is_a_shortest_one(world: Catalog) -> None:
    give(world, Clause.of(["group:g2"]))
    with world.reading("t") as session:
        (clause,) = explain(session, "t", "user:u0", "d0")["clauses"]
    assert clause["allowed_by"] == {"group:g2": ["user:u0", "group:g0", "group:g1", "group:g2"]}


@pytest.mark.parametrize(
    ("clauses", "reasons"),
    [
        ([Clause.of(["group:g2"])], ["every clause permits"]),
        ([Clause.of(["authenticated"], ["user:u0"])], ["clause 0 denies user:u0"]),
        (
            [Clause.of(["authenticated"]), Clause.of(["user:u0"], ["group:g1"])],
            ["clause 1 denies group:g1 (user:u0 in group:g0 in group:g1)"],
        ),
        ([Clause.of(["user:u1"])], ["clause 0 allows only user:u1, and the user is none of them"]),
        (
            [Clause.of([f"user:x{n}" for n in range(7)])],
            [
                "clause 0 allows only user:x0, user:x1, user:x2, user:x3, user:x4 and 2 more,"
                " and the user is none of them"
            ],
        ),
        ([Clause.of([])], ["clause 0 allows nobody, and the user is none of them"]),
        (
            [Clause.of(["user:u1"], ["authenticated"]), Clause.of(["user:u2"])],
            [
                "clause 0 denies authenticated",
                "clause 0 allows only user:u1, and the user is none of them",
                "clause 1 allows only user:u2, and the user is none of them",
            ],
        ),
    ],
)  # fmt: skip
def test_each_clause_that_does_not_permit_is_named(world: Catalog, clauses: list[Clause], reasons: list[str]) -> None:
    give(world, *clauses)
    assert why(world) == reasons


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE app_user SET active = false", "the user is not active"),
        ("DELETE FROM app_user", "the user is not in the directory"),
        ("UPDATE document SET acl_id = NULL", "the document has no access rules, so nobody may read it"),
        ("UPDATE document SET state = 'deleted'", "the document is deleted"),
        ("UPDATE document SET state = 'quarantined', current_version = NULL", "the document is quarantined"),
        ("UPDATE document SET current_version = NULL", "the document has no published version"),
        ("UPDATE source SET state = 'deleting'", "the source is being deleted"),
        (OLD, "the access rules were read "),
        (
            "UPDATE source SET kind = 'filesystem', acl_max_age_s = 60",
            "the access rules have not been read yet; the source allows",
        ),
        (
            "UPDATE app_group SET memberships_read_at = now() - interval '2 minutes' WHERE id = 'group:g1';"
            " UPDATE source SET acl_max_age_s = 60",
            "the user's memberships were read ",
        ),
    ],
)
def test_everything_else_that_denies_is_named(world: Catalog, statement: str, reason: str) -> None:
    for one in statement.split(";"):
        change(world, one)
    (found,) = why(world)
    assert found.startswith(reason)


def test_ages_are_told(world: Catalog) -> None:
    change(world, OLD.replace("90", "30"))
    with world.reading("t") as session:
        found = explain(session, "t", "user:u0", "d0")
    assert found["decision"] == "allowed"
    assert found["acl"] | {"age_s": 30, "read_at": None} == {
        "read_at": None, "age_s": 30, "max_age_s": 60, "too_old": False,
    }  # fmt: skip
    assert 30 <= found["acl"]["age_s"] < 60
    assert found["memberships"] == {"read_at": None, "age_s": None, "max_age_s": None, "too_old": False}


def test_an_unknown_document_is_not_found(world: Catalog) -> None:
    with world.reading("t") as session, pytest.raises(NotFound):
        explain(session, "t", "user:u0", "elsewhere")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_the_explanation_is_the_decision(catalog: Catalog, history: list[list[Any]]) -> None:
    now = list(run(catalog, history).values())[-1]
    with catalog.reading("t") as session:
        for user in USERS:
            for document in DOCUMENTS:
                found = explain(session, "t", user, document)
                assert (found["decision"] == "allowed") == (document in now.readable.get(user, ()))
                assert (found["decision"] == "denied") == (found["reasons"] != ["every clause permits"])


@pytest.mark.parametrize(
    "statement",
    [
        OLD, OLD.replace("90", "30"), "UPDATE source SET state = 'deleting'",
        "UPDATE document SET current_version = NULL",
        "UPDATE app_user SET active = id <> 'user:u2'",
        "UPDATE app_user SET memberships_read_at = now() - interval '1 hour' WHERE id = 'user:u1';"
        " UPDATE source SET acl_max_age_s = 60",
        "UPDATE app_group SET memberships_read_at = now() - interval '1 hour' WHERE id = 'group:g0';"
        " UPDATE source SET acl_max_age_s = 60; DELETE FROM membership WHERE member = 'group:g0'",
        "INSERT INTO membership VALUES ('t', 'group:g2', 'authenticated')",
    ],
)  # fmt: skip
def test_readers_agree_with_gate_2_whatever_stands_against(world: Catalog, statement: str) -> None:
    """Ages, states and inactive users; a group that everybody is in by way of `authenticated`."""
    with world.transaction("t") as session:
        acls = ([Clause.of(["group:g2"])], [Clause.of(["authenticated"], ["group:g3"])], [Clause.of(["user:u1"])])
        directory.put_group(session, "t", "group:g3", name="G", members=["user:u3"], actor="test")
        assign(session, "t", {f"d{n}": tuple(acl) for n, acl in enumerate(acls)}, actor="test")
    with world.transaction(ACROSS_TENANTS) as session:
        for one in statement.split(";"):
            session.execute(sa.text(one))
    with world.reading("t") as session:
        for document in DOCUMENTS:
            expected = []
            for user in USERS:
                try:
                    access = resolve(session, "t", user)
                except Unauthenticated:
                    continue
                expected += [user] if recheck(session, access, [document])[1] else []
            found = []
            after: str | None = ""
            while after is not None:
                page = readers(session, "t", document, Page(after, 1))
                found += [one["user"] for one in page["readers"]]
                after = page["next"]
            assert found == expected
