"""What design.md says beyond clauses: how old, how much, and what an entry means that nobody can map."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from acl import directory
from acl.assign import MAX_CLAUSES, assign
from acl.compile import compile_filter, compile_payload
from acl.mapping import known_issuers, map_acl
from acl.recheck import recheck, why_rejected
from acl.resolve import CLOSURE_LIMIT, Access, resolve
from tests.index.world import point, unit
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Issuer, Source, Tenant
from vouch.core.errors import AccessIncomplete, InvalidInput
from vouch.core.types import (
    CLAUSE_SLOTS,
    AccessUnknown,
    Clause,
    IndexQuery,
    Principal,
    RawClause,
    SearchFilter,
)
from vouch.index.edge import EdgeIndex
from vouch.index.protocol import SetAccess, UpsertPoints

SEED = 20260
NOW = datetime.now(UTC)


@pytest.fixture
def tenant(catalog: Catalog) -> str:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        directory.put_user(session, "t", "user:a", name="A", actor="test")
    return "t"


# --- how much, and how old -----------------------------------------------------------------------------


def test_a_closure_past_the_limit_fails_and_one_at_it_is_whole(catalog: Catalog, tenant: str) -> None:
    """A chain, so that every group is as deep as it can be."""
    with catalog.transaction(tenant) as session:
        session.execute(
            sa.text(
                "INSERT INTO app_group (tenant_id, id, name)"
                " SELECT 't', 'group:g' || n, 'G' FROM generate_series(1, :n) n"
            ),
            {"n": CLOSURE_LIMIT - 1},
        )
        session.execute(
            sa.text(
                "INSERT INTO membership (tenant_id, group_id, member)"
                " SELECT 't', 'group:g' || n, CASE n WHEN 1 THEN 'user:a' ELSE 'group:g' || n - 1 END"
                " FROM generate_series(1, :n) n"
            ),
            {"n": CLOSURE_LIMIT - 2},
        )
    with catalog.reading(tenant) as session:
        assert len(resolve(session, tenant, "user:a").principals) == CLOSURE_LIMIT
    last, one_more = f"group:g{CLOSURE_LIMIT - 2}", f"group:g{CLOSURE_LIMIT - 1}"
    with catalog.transaction(tenant) as session:
        directory.change_members(session, tenant, one_more, add=[last], remove=[], actor="test")
    with catalog.reading(tenant) as session, pytest.raises(AccessIncomplete):
        resolve(session, tenant, "user:a")


def test_the_oldest_reading_of_the_closure_counts(catalog: Catalog, tenant: str) -> None:
    def read(table: str, principal: str, at: datetime | None) -> None:
        with catalog.transaction(tenant) as session:
            session.execute(
                sa.text(f"UPDATE {table} SET memberships_read_at = :at WHERE id = :p"),
                {"at": at, "p": principal},
            )

    def oldest() -> datetime | None:
        with catalog.reading(tenant) as session:
            return resolve(session, tenant, "user:a").memberships_read_at

    with catalog.transaction(tenant) as session:
        for group, member in (("inner", "user:a"), ("outer", "group:inner"), ("apart", "user:other")):
            directory.put_group(session, tenant, f"group:{group}", name="G", members=[member], actor="test")
    assert oldest() is None
    read("app_group", "group:apart", NOW - timedelta(days=9))
    assert oldest() is None, "a group that the user is not in says nothing about them"
    read("app_user", "user:a", NOW)
    assert oldest() == NOW
    read("app_group", "group:outer", NOW - timedelta(hours=2))
    assert oldest() == NOW - timedelta(hours=2)
    read("app_group", "group:outer", None)
    assert oldest() == NOW


# --- what an entry means -------------------------------------------------------------------------------

ISSUERS = frozenset({"local", "okta"})
UNMAPPABLE = [
    "bob", "*", "", "team:hr", "user:", "user:a b", "user:okta/", "user:/x", "group:GitHub/x", "alice@example.org",
    "user:alice@example.org", "group:okta/all@example.org", "group:entra/x", "user:a\x00", "AUTHENTICATED",
]  # fmt: skip
MAPPED = ["user:a", "group:ghost", "user:okta/00u1", "group:okta/nobody-yet", "authenticated", "user:a@b"]


@pytest.mark.parametrize("entry", UNMAPPABLE)
def test_a_deny_that_cannot_be_mapped_closes_the_document_and_an_allow_grants_nobody(entry: str) -> None:
    faulty = RawClause(("user:a",), ("group:hr", entry), "rules, line 3")
    denied = map_acl((RawClause(("authenticated",)), faulty), ISSUERS)
    assert denied.acl is None and denied.unknown is not None
    assert denied.unknown.reason == "deny_unmapped"
    assert denied.unknown.detail.startswith(f"rules, line 3: deny: {entry!r}")
    allowed = map_acl((RawClause((entry, "user:a"), (), "rules, line 3"), RawClause((entry,))), ISSUERS)
    assert allowed.acl == (Clause.of(["user:a"]), Clause.of([])) and allowed.unknown is None
    assert len(allowed.ignored) == 2 and allowed.ignored[0].startswith(f"rules, line 3: allow: {entry!r}")


@pytest.mark.parametrize("entry", MAPPED)
def test_a_name_is_mapped_whether_or_not_there_is_somebody_of_it(entry: str) -> None:
    mapped = map_acl((RawClause((entry,), (entry,)),), ISSUERS)
    assert mapped.acl == (Clause(frozenset({entry}), frozenset({entry})),)
    assert mapped.unknown is None and mapped.ignored == ()


def test_what_is_unknown_stays_so_and_what_is_not_said_is_nobody() -> None:
    broken = AccessUnknown("rules_broken", "line 1")
    assert map_acl(broken, ISSUERS) == map_acl(broken, ()) != map_acl(None, ISSUERS)
    assert map_acl(None, ISSUERS).acl is None
    assert map_acl((RawClause(("user:a",)),) * MAX_CLAUSES, ISSUERS).unknown is None
    too_many = map_acl((RawClause(("user:a",)),) * (MAX_CLAUSES + 1), ISSUERS)
    assert too_many.acl is None and too_many.unknown is not None and too_many.unknown.reason == "too_many_rules"


def test_issuers_are_known_when_configured_or_when_the_directory_has_somebody_of_them(
    catalog: Catalog, tenant: str
) -> None:
    with catalog.reading(tenant) as session:
        assert known_issuers(session, tenant) == {"local"}
    with catalog.transaction(tenant) as session:
        session.add(Issuer(tenant_id=tenant, id="okta"))
        directory.put_user(session, tenant, "user:entra/1", name="E", actor="test")
        directory.put_group(session, tenant, "group:ldap/staff", name="L", actor="test")
    with catalog.reading(tenant) as session:
        assert known_issuers(session, tenant) == {"local", "okta", "entra", "ldap"}


def test_an_e_mail_address_is_nobody() -> None:
    with pytest.raises(InvalidInput, match="e-mail address"):
        Principal.parse("user:alice@example.org", "t")


# --- gate 1 on the engine itself, and what gate 2 says of what it let through --------------------------


def _lists(rng: random.Random, names: list[str], most: int) -> frozenset[str]:
    return frozenset(rng.sample(names, rng.randint(0, most)))


def test_gate_one_is_exact_on_the_engine_for_up_to_four_clauses_of_any_shape(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    names = [*(f"user:u{n}" for n in range(3)), *(f"group:g{n}" for n in range(4)), "authenticated"]
    acls = [
        tuple(Clause(_lists(rng, names, 5), _lists(rng, names, 2)) for _ in range(rng.randint(0, CLAUSE_SLOTS)))
        for _ in range(1_000)
    ]
    # Half are written with their points, half by the operation that changes access alone.
    index = EdgeIndex(tmp_path / "index", "g1")
    try:
        born = [point(f"d{n}", access=compile_payload(acl if n % 2 else None)) for n, acl in enumerate(acls)]
        index.apply([UpsertPoints(tuple(born))], upto=1)
        changed = [SetAccess("acme", (f"d{n}",), compile_payload(acl)) for n, acl in enumerate(acls) if n % 2 == 0]
        index.apply(changed, upto=2)
        decisions = readable = 0
        for _ in range(40):
            principals = frozenset({"authenticated"}) | _lists(rng, names, 6)
            wanted = {
                f"d{n}"
                for n, acl in enumerate(acls)
                if acl and all(principals & c.allow and not principals & c.deny for c in acl)
            }
            access = compile_filter(Access("acme", "user:u0", principals, 1))
            found = index.search(IndexQuery(unit(0), None, len(acls)), access).dense
            assert {hit.document_id for hit in found} == wanted
            assert index.count(access, SearchFilter()) == len(wanted)
            decisions, readable = decisions + len(acls), readable + len(wanted)
        assert 0.02 < readable / decisions < 0.9, "the worlds must not all say the same"
    finally:
        index.close()


def test_why_gate_two_refused_is_told_apart(catalog: Catalog, tenant: str) -> None:
    open_to_all, others = Clause.of(["authenticated"]), Clause.of(["user:b"])
    lists = [Clause.of(["authenticated", f"group:g{n}"]) for n in range(CLAUSE_SLOTS)]
    with catalog.transaction(tenant) as session:
        session.add(Source(tenant_id=tenant, id="s", name="s", kind="push"))
        session.add(Source(tenant_id=tenant, id="old", name="old", kind="filesystem", acl_max_age_s=60))
        session.flush()
        for name in ("revoked", "inexact", "same lists", "aged", "gone"):
            session.add(
                Document(
                    tenant_id=tenant, id=name, source_id="old" if name == "aged" else "s", external_id=name, title="",
                    uri="", state="deleted" if name == "gone" else "live", current_version=1,
                )
            )  # fmt: skip
        session.flush()
        acls = {
            "revoked": (others,),
            "inexact": (*lists, others),
            "same lists": (*[open_to_all] * 5, others),
            "aged": (open_to_all,),
            "gone": (open_to_all,),
        }
        assign(session, tenant, acls, actor="test")
    with catalog.reading(tenant) as session:
        access = resolve(session, tenant, "user:a")
        asked = [*acls, "purged"]
        assert recheck(session, access, asked)[1] == frozenset()
        reasons = why_rejected(session, access, access, asked)
        assert reasons == {
            "revoked": "lag_or_error",
            "inexact": "inexact",
            "same lists": "lag_or_error",
            "aged": "aged",
            "gone": "state",
            "purged": "state",
        }
        had_more = Access(tenant, "user:a", access.principals | {"user:b"}, access.epoch - 1)
        assert why_rejected(session, had_more, access, ["revoked"]) == {"revoked": "asker"}
        assert why_rejected(session, access, access, []) == {}
