"""Both gates against the oracle, over generated directories, nestings, cycles, clauses and denies."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acl import directory
from acl.assign import assign
from acl.compile import compile_filter, compile_payload
from acl.explain import explain
from acl.recheck import recheck
from acl.resolve import resolve
from tests.acl.oracle import World
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.errors import Unauthenticated
from vouch.core.types import ANYONE, CLAUSE_SLOTS, AccessFilter, AccessPayload, Clause

USERS = [f"user:u{n}" for n in range(4)]
GROUPS = [f"group:g{n}" for n in range(5)]
DOCUMENTS = [f"d{n}" for n in range(6)]
PRINCIPALS = [*USERS, *GROUPS, "authenticated", "user:stranger"]

# Mostly true and mostly matching, or hardly any document would come as far as the rule under test.
mostly = st.sampled_from([True, True, True, False])
some = st.sets(st.sampled_from(PRINCIPALS), max_size=4) | st.sets(st.sampled_from(PRINCIPALS), min_size=5)
denied = st.just(set()) | st.sets(st.sampled_from(PRINCIPALS), max_size=2)
clause = st.tuples(some, denied)
clauses = st.lists(clause, min_size=1, max_size=2) | st.lists(clause, max_size=6)
worlds = st.builds(
    World,
    active=st.fixed_dictionaries(dict.fromkeys(USERS, mostly)),
    members=st.fixed_dictionaries({g: st.sets(st.sampled_from([*USERS, *GROUPS]), max_size=4) for g in GROUPS}),
    acls=st.fixed_dictionaries({d: st.none() | clauses for d in DOCUMENTS}),
    live=st.fixed_dictionaries(dict.fromkeys(DOCUMENTS, mostly)),
)


def _seed(catalog: Catalog, world: World) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # the audit log refuses to be emptied
        session.execute(sa.text("TRUNCATE tenant CASCADE"))
        session.execute(sa.text("SET LOCAL session_replication_role = origin"))
        session.add(Tenant(id="t", name="T"))
        session.flush()
        session.add(Source(tenant_id="t", id="s", name="s", kind="filesystem"))
        session.flush()
        for document, live in world.live.items():
            session.add(
                Document(
                    tenant_id="t", id=document, source_id="s", external_id=document, title=document, uri="",
                    state="live" if live else "deleted", current_version=1 if live else None,
                )
            )  # fmt: skip
        session.flush()
        for user, active in world.active.items():
            directory.put_user(session, "t", user, name=user, active=active, actor="test")
        for group, members in world.members.items():
            directory.put_group(session, "t", group, name=group, members=sorted(members), actor="test")
        acls = {
            document: None if acl is None else tuple(Clause(frozenset(a), frozenset(d)) for a, d in acl)
            for document, acl in world.acls.items()
        }
        assign(session, "t", acls, actor="test")


def gate_1(access: AccessFilter, payload: AccessPayload) -> bool:
    """What an index backend does with the filter, in one line a rule (see vouch/index/filters.py)."""
    slots = all(access.principals & set(allow) or (k > 0 and ANYONE in allow) for k, allow in enumerate(payload.allow))
    return bool(slots) and not access.principals & set(payload.deny)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds)
def test_both_gates_decide_as_the_design_says(catalog: Catalog, world: World) -> None:
    _seed(catalog, world)
    for user in USERS:
        expected = {d for d in DOCUMENTS if world.allowed(user, d)}
        with catalog.reading(ACROSS_TENANTS) as session:
            explained = {d for d in DOCUMENTS if explain(session, "t", user, d)["decision"] == "allowed"}
            assert explained == expected
            if not world.active[user]:
                with pytest.raises(Unauthenticated):
                    resolve(session, "t", user)
                continue
            access = resolve(session, "t", user)
            assert access.principals == world.principals(user)
            assert recheck(session, access, DOCUMENTS)[1] == expected
        for document in DOCUMENTS:
            acl = world.acls[document]
            payload = compile_payload(tuple(Clause(frozenset(a), frozenset(d)) for a, d in acl) if acl else None)
            admitted = gate_1(compile_filter(access), payload) and world.live[document]
            exact = acl is None or len(acl) <= CLAUSE_SLOTS
            # Past four clauses gate 1 may admit more, and never less.
            assert admitted == (document in expected) if exact else admitted >= (document in expected)


EVERYONE = ({"authenticated"}, set[str]())


@pytest.mark.parametrize(
    ("acl", "allowed"),
    [
        ([({"user:u0"}, set())], True),
        ([({"group:outer"}, set())], True),
        ([({"authenticated"}, set())], True),
        ([({"user:u1"}, set())], False),
        ([(set(), set())], False),
        ([], False),
        (None, False),
        ([({"user:u0"}, {"user:u0"})], False),
        ([({"user:u0"}, {"group:outer"})], False),
        ([({"user:u0"}, {"authenticated"})], False),
        ([EVERYONE, ({"authenticated"}, {"group:inner"})], False),
        ([({"authenticated"}, {"user:u0"}), EVERYONE], False),
        ([EVERYONE, ({"user:u1"}, set())], False),
        ([({"user:u1"}, set()), EVERYONE], False),
        ([EVERYONE] * 5 + [({"user:u1"}, set())], False),
        ([EVERYONE] * 5 + [({"authenticated"}, {"user:u0"})], False),
        ([({"user:u0"}, {"user:u1"})], True),
    ],
)
def test_each_rule_by_itself(catalog: Catalog, acl: list[tuple[set[str], set[str]]] | None, *, allowed: bool) -> None:
    """u0 is in inner, which is in outer, which is in inner again."""
    groups = {"group:inner": {"user:u0", "group:outer"}, "group:outer": {"group:inner"}}
    world = World({"user:u0": True}, groups, {"d0": acl}, {"d0": True})
    assert world.allowed("user:u0", "d0") is allowed
    _seed(catalog, world)
    with catalog.reading(ACROSS_TENANTS) as session:
        access = resolve(session, "t", "user:u0")
        assert bool(recheck(session, access, ["d0"])[1]) is allowed


def test_revocation_holds_for_the_next_decision(catalog: Catalog) -> None:
    world = World({"user:u0": True}, {"group:g0": {"user:u0"}}, {"d0": [({"group:g0"}, set())]}, {"d0": True})
    _seed(catalog, world)
    with catalog.reading(ACROSS_TENANTS) as session:
        access = resolve(session, "t", "user:u0")
        assert recheck(session, access, ["d0"])[1] == {"d0"}
    with catalog.transaction(ACROSS_TENANTS) as session:
        directory.change_members(session, "t", "group:g0", add=[], remove=["user:u0"], actor="test")
    with catalog.reading(ACROSS_TENANTS) as session:
        fresh, allowed = recheck(session, access, ["d0"])
        assert allowed == frozenset()
        assert fresh.epoch == access.epoch + 1


@pytest.mark.parametrize(
    "kind, age_s, allowed",
    [("filesystem", 10, True), ("filesystem", 7200, False), ("filesystem", None, False), ("push", None, True)],
)
def test_access_older_than_the_source_allows_denies(
    catalog: Catalog, kind: str, age_s: int | None, *, allowed: bool
) -> None:
    world = World({"user:u0": True}, {}, {"d0": [({"user:u0"}, set())]}, {"d0": True})
    _seed(catalog, world)
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(
            sa.text(
                "UPDATE source SET acl_max_age_s = 3600, kind = :k, acl_read_at = now() - make_interval(secs => :s)"
            ),
            {"k": kind, "s": age_s},
        )
    with catalog.reading(ACROSS_TENANTS) as session:
        access = resolve(session, "t", "user:u0")
        assert bool(recheck(session, access, ["d0"])[1]) is allowed


def test_another_tenant_is_another_world(catalog: Catalog) -> None:
    _seed(catalog, World({"user:u0": True}, {}, {"d0": [({"authenticated"}, set())]}, {"d0": True}))
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="other", name="O"))
        session.flush()
        directory.put_user(session, "other", "user:u0", name="U", actor="test")
    with catalog.reading(ACROSS_TENANTS) as session:
        access = resolve(session, "other", "user:u0")
        assert recheck(session, access, ["d0"])[1] == frozenset()
