"""What is recomputed of a past epoch is what was decided then, whatever was done to users, groups, documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from acl import directory
from acl.assign import assign
from acl.changes import Between, changes, documents_moved, readers_moved
from acl.explain import explain
from acl.history import access_at, documents_at, edges_at, readable_at, require_history
from acl.readers import Page, readable, readers
from acl.recheck import recheck
from acl.resolve import resolve
from ingestion.delete import delete_documents
from tests.history import unrecorded
from vouch.catalog import epoch as epochs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.errors import InvalidInput, NotFound, Unauthenticated
from vouch.core.types import Clause

USERS = [f"user:u{n}" for n in range(4)]
GROUPS = [f"group:g{n}" for n in range(4)]
DOCUMENTS = [f"d{n}" for n in range(4)]
PRINCIPALS = [*USERS, *GROUPS, "authenticated"]
MEMBERS = [*USERS, *GROUPS]

names = st.sets(st.sampled_from(PRINCIPALS), max_size=3) | st.just({"authenticated"})
acls = st.none() | st.lists(st.tuples(names, st.just(set()) | names), min_size=1, max_size=3)
members = st.sets(st.sampled_from(MEMBERS), max_size=3)
steps = st.one_of(
    st.tuples(st.just("user"), st.sampled_from(USERS), st.booleans()),
    st.tuples(st.just("no user"), st.sampled_from(USERS)),
    st.tuples(st.just("group"), st.sampled_from(GROUPS), members),
    st.tuples(st.just("no group"), st.sampled_from(GROUPS)),
    st.tuples(st.just("members"), st.sampled_from(GROUPS), members, members),
    st.tuples(st.just("access"), st.sets(st.sampled_from(DOCUMENTS), min_size=1, max_size=2), acls),
    st.tuples(st.just("delete"), st.sets(st.sampled_from(DOCUMENTS), min_size=1, max_size=2)),
    st.tuples(st.just("revive"), st.sampled_from(DOCUMENTS), acls),
)
# Everybody is there, nested, and reads something before anything is undone; and some steps share a transaction.
histories = st.lists(st.lists(steps, min_size=1, max_size=2), min_size=1, max_size=14)


@dataclass
class Epoch:
    """What the live tables said while an epoch was the newest."""

    principals: dict[str, frozenset[str]] = field(default_factory=dict)
    readable: dict[str, frozenset[str]] = field(default_factory=dict)


def begin(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # the audit log refuses to be emptied
        session.execute(sa.text("TRUNCATE tenant CASCADE"))
        session.execute(sa.text("SET LOCAL session_replication_role = origin"))
        session.add(Tenant(id="t", name="T"))
        session.flush()
        session.add(Source(tenant_id="t", id="s", name="s", kind="push"))
        session.flush()
        for name in DOCUMENTS:
            session.add(
                Document(
                    tenant_id="t", id=name, source_id="s", external_id=name, title=name, uri="",
                    state="live", current_version=1, last_version=1,
                )
            )  # fmt: skip
        session.flush()
        for n, user in enumerate(USERS):
            directory.put_user(session, "t", user, name=user, actor="test")
            directory.put_group(session, "t", GROUPS[n], name="G", members=[user, GROUPS[n - 1]], actor="test")
        assign(session, "t", {d: (Clause.of([GROUPS[n]]),) for n, d in enumerate(DOCUMENTS)}, actor="test")


def step(session: Session, one: Sequence[Any]) -> None:
    match one:
        case ("user", user, active):
            directory.put_user(session, "t", user, name=user, active=active, actor="test")
        case ("no user", user):
            directory.delete_user(session, "t", user, actor="test")
        case ("group", group, inside):
            directory.put_group(session, "t", group, name="G", members=sorted(inside), actor="test")
        case ("no group", group):
            directory.delete_group(session, "t", group, actor="test")
        case ("members", group, add, remove):
            directory.change_members(session, "t", group, add=sorted(add), remove=sorted(remove), actor="test")
        case ("access", ids, acl):
            assign(session, "t", dict.fromkeys(sorted(ids), _acl(acl)), actor="test")
        case ("delete", ids):
            delete_documents(session, "t", "s", sorted(ids), "test")
        case ("revive", id_, acl):
            session.execute(
                sa.text("UPDATE document SET state = 'live', current_version = 1 WHERE id = :d"), {"d": id_}
            )
            assign(session, "t", {id_: _acl(acl)}, actor="test")


def _acl(drawn: Any) -> tuple[Clause, ...] | None:
    return None if drawn is None else tuple(Clause(frozenset(allow), frozenset(deny)) for allow, deny in drawn)


def observe(catalog: Catalog) -> tuple[int, Epoch]:
    with catalog.reading("t") as session:
        seen = Epoch()
        for user in USERS:
            try:
                access = resolve(session, "t", user)
            except Unauthenticated:
                continue
            seen.principals[user] = access.principals
            seen.readable[user] = recheck(session, access, DOCUMENTS)[1]
        return epochs.current(session, "t"), seen


def run(catalog: Catalog, history: list[list[Any]]) -> dict[int, Epoch]:
    """Each transaction of ``history``, and what was decided after it. What is not there to undo is not undone."""
    begin(catalog)
    seen = dict([observe(catalog)])
    for transaction in history:
        try:
            with catalog.transaction("t") as session:
                for one in transaction:
                    step(session, one)
        except NotFound:
            continue
        epoch, state = observe(catalog)
        seen[epoch] = state
    return seen


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_every_past_epoch_is_recomputed_as_it_was(catalog: Catalog, history: list[list[Any]]) -> None:
    seen = run(catalog, history)
    first, last = min(seen), max(seen)
    with catalog.reading("t") as session:
        assert unrecorded(session) == []
        for epoch, state in seen.items():
            for user in USERS:
                if user not in state.principals:
                    with pytest.raises(Unauthenticated):
                        access_at(session, "t", user, epoch)
                    continue
                then = access_at(session, "t", user, epoch)
                assert (then.principals, then.epoch) == (state.principals[user], epoch)
                assert readable_at(session, then) == state.readable[user]
        for user in USERS:
            before, after = (seen[e].readable.get(user, frozenset()) for e in (first, last))
            moved = documents_moved(session, "t", user, Between(first, last, 100), "")["moved"]
            assert {row.id for row in moved if row.change == "gained"} == after - before
            assert {row.id for row in moved if row.change == "lost"} == before - after
        for document in DOCUMENTS:
            before, after = ({u for u in USERS if document in seen[e].readable.get(u, ())} for e in (first, last))
            moved = readers_moved(session, "t", document, Between(first, last, 100), "")["moved"]
            assert {row.id for row in moved if row.change == "gained"} == after - before
            assert {row.id for row in moved if row.change == "lost"} == before - after


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_the_reverse_questions_agree_with_gate_2(catalog: Catalog, history: list[list[Any]]) -> None:
    now = list(run(catalog, history).values())[-1]
    with catalog.reading("t") as session:
        for document in DOCUMENTS:
            found = readers(session, "t", document, Page("", 100))
            assert {one["user"] for one in found["readers"]} == {
                user for user in USERS if document in now.readable.get(user, ())
            }
            for one in found["readers"]:
                clauses = explain(session, "t", one["user"], document)["clauses"]
                assert [c["principals"] for c in one["through"]] == [sorted(c["allowed_by"]) for c in clauses]
                assert all(c["principals"] for c in one["through"])
        for user in USERS:
            can = readable(session, "t", user, Page("", 100))
            assert {one["document_id"] for one in can["documents"]} == now.readable.get(user, set())
            assert bool(can["reasons"]) == (user not in now.readable)


def test_a_write_that_history_does_not_know_is_found(catalog: Catalog) -> None:
    begin(catalog)
    forgetful = {
        "UPDATE app_user SET active = false WHERE id = 'user:u0'": ["user user:u0"],
        "INSERT INTO membership VALUES ('t', 'group:g0', 'user:u2')": ["membership user:u2 in group:g0"],
        "DELETE FROM membership WHERE group_id = 'group:g0' AND member = 'user:u0'": ["membership user:u0 in group:g0"],
        "UPDATE document SET acl_id = NULL WHERE id = 'd0'": ["document d0"],
        "DELETE FROM document WHERE id = 'd1'": ["document d1"],
        "UPDATE document SET state = 'deleted', acl_id = NULL WHERE id = 'd2'": ["document d2"],
    }
    with catalog.transaction(ACROSS_TENANTS) as session:
        assert unrecorded(session) == []
        for statement, found in forgetful.items():
            written = session.begin_nested()
            session.execute(sa.text(statement))
            assert unrecorded(session) == found
            written.rollback()


def test_history_says_where_it_begins_and_ends(catalog: Catalog) -> None:
    begin(catalog)
    with catalog.transaction("t") as session:
        session.execute(sa.text("UPDATE tenant SET history_from = 3"))
        newest = epochs.current(session, "t")
        assert require_history(session, "t", 3, "from") == 3
        for epoch in (2, newest + 1):
            with pytest.raises(InvalidInput) as refused:
                changes(session, "t", Between(epoch, newest, 10), (0, "", "", ""))
            assert str(newest) in refused.value.detail
        with pytest.raises(InvalidInput):
            changes(session, "t", Between(newest, newest - 1, 10), (0, "", "", ""))


def test_changes_are_listed_in_order_page_by_page(catalog: Catalog) -> None:
    begin(catalog)
    with catalog.transaction("t") as session:
        first = epochs.current(session, "t")
        directory.put_group(session, "t", "group:new", name="N", actor="alice")
        directory.put_group(session, "t", "group:new", name="N", members=["user:u1", "user:u0"], actor="bob")
        directory.put_user(session, "t", "user:u3", name="U", active=False, actor="bob")
        delete_documents(session, "t", "s", ["d0"], "carol")
        directory.delete_user(session, "t", "user:u3", actor="bob")
        last = epochs.current(session, "t")
    found = []
    after: Any = (0, "", "", "")
    with catalog.reading("t") as session:
        while after:
            page = changes(session, "t", Between(first, last, 2), tuple(after))
            assert len(page["changes"]) <= 2
            found += page["changes"]
            after = page["next"]
    shown = [
        (c["epoch"] - first, c["actor"], c["kind"], c["state"], c["user"] or c["member"] or c["document_id"])
        for c in found
    ]
    assert shown == [
        (1, "alice", "group", None, None),
        (2, "bob", "group", "added", "user:u0"),
        (2, "bob", "group", "added", "user:u1"),
        (3, "bob", "user", "inactive", "user:u3"),
        (4, "carol", "deleted", "deleted", "d0"),
        (5, "bob", "user", "removed", "user:u3"),
        (5, "bob", "user", "deleted", "user:u3"),
    ]  # fmt: skip


def test_edges_are_those_of_the_epoch(catalog: Catalog) -> None:
    begin(catalog)
    with catalog.transaction("t") as session:
        then = epochs.current(session, "t")
        directory.delete_group(session, "t", "group:g0", actor="test")
    with catalog.reading("t") as session:
        before = access_at(session, "t", "user:u0", then)
        assert ("user:u0", "group:g0") in edges_at(session, before)
        assert edges_at(session, access_at(session, "t", "user:u0", then + 1)) == []
        assert documents_at(session, "t", 1, DOCUMENTS) == {}
