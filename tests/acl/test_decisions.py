"""Both gates against the oracle, over generated directories, nestings, cycles, clauses and denies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acl import directory
from acl.compile import compile_filter, compile_payload
from acl.explain import explain
from acl.recheck import recheck
from acl.resolve import resolve
from tests.acl import twin
from tests.acl.oracle import Document, Source, World
from tests.acl.twin import gate_1
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core.errors import Unauthenticated
from vouch.core.types import CLAUSE_SLOTS

USERS = [f"user:u{n}" for n in range(4)]
GROUPS = [f"group:g{n}" for n in range(5)]
SOURCES = ["s0", "s1", "s2"]
DOCUMENTS = [f"d{n}" for n in range(6)]
PRINCIPALS = [*USERS, *GROUPS, "authenticated", "user:stranger"]

# Mostly true and mostly matching, or hardly any document would come as far as the rule under test.
mostly = st.sampled_from([True, True, True, False])
some = st.frozensets(st.sampled_from(PRINCIPALS), max_size=4) | st.frozensets(st.sampled_from(PRINCIPALS), min_size=5)
denied = st.just(frozenset[str]()) | st.frozensets(st.sampled_from(PRINCIPALS), max_size=2)
clause = st.tuples(some, denied)
clauses = st.lists(clause, min_size=1, max_size=2) | st.lists(clause, max_size=6)
moment = st.none() | st.integers(-30, 0)
sources = st.builds(
    Source, kind=st.sampled_from(["push", "filesystem"]), max_age=st.none() | st.sampled_from([1.5, 24.5]),
    state=st.sampled_from(["active"] * 5 + ["paused", "deleting"]), read=moment,
)  # fmt: skip
documents = st.builds(
    Document, source=st.sampled_from(SOURCES), acl=st.none() | clauses.map(tuple), read=moment,
    state=st.sampled_from(["live"] * 9 + ["deleted", "quarantined", "pending"]),
)  # fmt: skip
worlds = st.builds(
    World,
    users=st.fixed_dictionaries(dict.fromkeys(USERS, mostly)),
    groups=st.fixed_dictionaries({g: st.frozensets(st.sampled_from([*USERS, *GROUPS]), max_size=4) for g in GROUPS}),
    told=st.dictionaries(st.sampled_from([*USERS, *GROUPS]), st.integers(-30, 0), max_size=2),
    sources=st.fixed_dictionaries(dict.fromkeys(SOURCES, sources)),
    documents=st.fixed_dictionaries(dict.fromkeys(DOCUMENTS, documents)),
)


def _seed(catalog: Catalog, world: World) -> None:
    twin.empty(catalog)
    twin.lay(catalog, "t", world)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds)
def test_both_gates_decide_as_the_design_says(catalog: Catalog, world: World) -> None:
    _seed(catalog, world)
    for user in USERS:
        expected = world.readable(user)
        with catalog.reading("t") as session:
            explained = {d for d in DOCUMENTS if explain(session, "t", user, d)["decision"] == "allowed"}
            assert explained == expected
            if not world.users[user]:
                with pytest.raises(Unauthenticated):
                    resolve(session, "t", user)
                continue
            access = resolve(session, "t", user)
            assert access.principals == world.principals(user)
            assert recheck(session, access, DOCUMENTS)[1] == expected
        for name, document in world.documents.items():
            admitted = gate_1(compile_filter(access), compile_payload(twin.acl_of(document.acl)))
            permitted = World.permitted(access.principals, document.acl)
            exact = document.acl is None or len(document.acl) <= CLAUSE_SLOTS
            # Past four clauses gate 1 may admit more, and never less. What is not in the index is not its business.
            assert admitted == permitted if exact else admitted >= permitted
            assert permitted >= (name in expected)


EVERYONE = ({"authenticated"}, set[str]())
ONLY = ({"user:u0"}, set[str]())


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
    groups = {"group:inner": frozenset({"user:u0", "group:outer"}), "group:outer": frozenset({"group:inner"})}
    world = _of_one(acl, groups)
    assert (world.readable("user:u0") == {"d0"}) is allowed
    _seed(catalog, world)
    with catalog.reading("t") as session:
        assert (twin.readable(session, "t", "user:u0", ["d0"]) == {"d0"}) is allowed


def _of_one(
    acl: list[tuple[set[str], set[str]]] | None,
    groups: Mapping[str, frozenset[str]] | None = None,
    source: Source | None = None,
    **facts: Any,
) -> World:
    """One user and one document."""
    frozen = None if acl is None else tuple((frozenset(a), frozenset(d)) for a, d in acl)
    return World(
        users={"user:u0": True}, groups=groups or {}, sources={"s": source or Source()},
        documents={"d0": Document("s", frozen)}, **facts,
    )  # fmt: skip


def test_revocation_holds_for_the_next_decision(catalog: Catalog) -> None:
    world = _of_one([({"group:g0"}, set())], {"group:g0": frozenset({"user:u0"})})
    _seed(catalog, world)
    with catalog.reading("t") as session:
        access = resolve(session, "t", "user:u0")
        assert recheck(session, access, ["d0"])[1] == {"d0"}
    with catalog.transaction(ACROSS_TENANTS) as session:
        directory.change_members(session, "t", "group:g0", add=[], remove=["user:u0"], actor="test")
    with catalog.reading("t") as session:
        fresh, allowed = recheck(session, access, ["d0"])
        assert allowed == frozenset()
        assert fresh.epoch == access.epoch + 1


@pytest.mark.parametrize(
    ("source", "facts", "allowed"),
    [
        (Source("filesystem", max_age=1.5, read=0), {}, True),
        (Source("filesystem", max_age=1.5, read=-2), {}, False),
        (Source("filesystem", max_age=1.5, read=None), {}, False),
        (Source("filesystem", max_age=None, read=None), {}, True),
        (Source("push", max_age=1.5, read=None), {}, True),
        (Source("filesystem", max_age=1.5, read=0), {"told": {"user:u0": -1}}, True),
        (Source("filesystem", max_age=1.5, read=0), {"told": {"user:u0": -2}}, False),
        (Source("filesystem", max_age=1.5, read=0), {"told": {"group:outer": -2}}, False),
        (Source("filesystem", max_age=1.5, read=0), {"told": {"group:apart": -2}}, True),
        (Source("filesystem", max_age=None), {"told": {"group:outer": -2}}, True),
        (Source("push", max_age=1.5), {"told": {"group:inner": -2}}, False),
        (Source("push", state="deleting"), {}, False),
        (Source("push", state="paused"), {}, True),
    ],
)
def test_what_was_read_too_long_ago_denies(
    catalog: Catalog, source: Source, facts: dict[str, Any], *, allowed: bool
) -> None:
    groups = {"group:inner": {"user:u0"}, "group:outer": {"group:inner"}, "group:apart": set[str]()}
    world = _of_one([ONLY], {g: frozenset(members) for g, members in groups.items()}, source, **facts)
    assert (world.readable("user:u0") == {"d0"}) is allowed
    _seed(catalog, world)
    with catalog.reading("t") as session:
        assert (twin.readable(session, "t", "user:u0", ["d0"]) == {"d0"}) is allowed


def test_another_tenant_is_another_world(catalog: Catalog) -> None:
    _seed(catalog, _of_one([EVERYONE]))
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="other", name="O"))
        session.flush()
        directory.put_user(session, "other", "user:u0", name="U", actor="test")
    with catalog.reading(ACROSS_TENANTS) as session:  # row-level security would hide it besides
        access = resolve(session, "other", "user:u0")
        assert recheck(session, access, ["d0"])[1] == frozenset()
