"""The checks of OpenFGA's sample stores, decided by our directory and our gates."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from acl import directory
from acl.assign import assign
from acl.compile import compile_filter, compile_payload
from acl.recheck import recheck
from acl.resolve import resolve
from tests.acl.openfga import Case, Check, Inexpressible, Mapped, parse_model, principal, read_cases
from tests.acl.twin import gate_1
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.types import Acl

_DATA = Path(os.environ.get("VOUCH_EVAL_DATA") or Path(__file__).parents[3] / "shared" / "data")
STORES = _DATA / "acl-openfga-stores" / "files"

HELD = {
    "abac-with-rebac/store.fga.yaml": 12,
    "advanced-entitlements/store.fga.yaml": 16,
    "developer-portal/store.fga.yaml": 13,
    "iot/store.fga.yaml": 11,
    "modeling-guide/step-1-basic.fga.yaml": 4,
    "modeling-guide/step-10-fine-grained-api-access.fga.yaml": 26,
    "modeling-guide/step-2-multi-tenancy.fga.yaml": 8,
    "modeling-guide/step-3-groups.fga.yaml": 12,
    "modeling-guide/step-4-public-access.fga.yaml": 14,
    "modeling-guide/step-5-relation-based-abac.fga.yaml": 18,
    "modeling-guide/step-6-super-admin.fga.yaml": 18,
    "modeling-guide/step-7-conditional-relationships-abac.fga.yaml": 16,
    "modeling-guide/step-8-custom-roles.fga.yaml": 20,
    "modeling-guide/step-9-application-access.fga.yaml": 24,
    "modular/core.fga.yaml": 2,
    "modular/issue-tracker.fga.yaml": 2,
    "modular/store.fga.yaml": 5,
    "modular/wiki.fga.yaml": 2,
    "role-assignments/store.fga.yaml": 8,
    "slack/store.fga.yaml": 14,
    "superadmin/store.fga.yaml": 11,
}
"""Checks that hold, by store."""
DEPENDS = {
    ("advanced-entitlements/store.fga.yaml", "feature#has_feature"): 18,
    ("banking/store.fga.yaml", "account#can_make_bank_transfer"): 5,
    ("condition-data-types/store.fga.yaml", "datatype_test#is_valid"): 18,
    ("groups-resource-attributes/store.fga.yaml", "document#can_access"): 5,
    ("ip-based-access/store.fga.yaml", "document#can_view"): 4,
    ("modeling-guide/step-10-fine-grained-api-access.fga.yaml", "document#can_edit"): 2,
    ("modeling-guide/step-10-fine-grained-api-access.fga.yaml", "document#can_view"): 2,
    ("modeling-guide/step-7-conditional-relationships-abac.fga.yaml", "document#can_edit"): 2,
    ("modeling-guide/step-7-conditional-relationships-abac.fga.yaml", "document#can_view"): 2,
    ("modeling-guide/step-8-custom-roles.fga.yaml", "document#can_edit"): 2,
    ("modeling-guide/step-8-custom-roles.fga.yaml", "document#can_view"): 2,
    ("modeling-guide/step-9-application-access.fga.yaml", "document#can_edit"): 2,
    ("modeling-guide/step-9-application-access.fga.yaml", "document#can_view"): 2,
    ("superadmin/store.fga.yaml", "task#viewer"): 3,
}
"""Checks whose answer depends on the request (an amount, an address, the time), by store and relation: they reach a
condition of OpenFGA's, and groups and clauses see no request."""


def decide(catalog: Catalog, tenant: str, mapped: Mapped) -> dict[Check, bool]:
    """What both gates say of every check of a case: a document for each relation of each object."""
    acls: dict[str, Acl] = {}
    for check in mapped.case.checks:
        acls[f"{check.object}#{check.relation}"] = mapped.acl(check.object, check.relation)
    named = {p for acl in acls.values() for clause in acl for p in clause.allow | clause.deny}
    named |= {member for members in mapped.groups.values() for member in members}
    users = {p for p in named if p.startswith("user:")} | {principal(check.user) for check in mapped.case.checks}
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=tenant, name=tenant))
        session.flush()
        session.add(Source(tenant_id=tenant, id="s", name="s", kind="push"))
        session.flush()
    with catalog.transaction(tenant) as session:
        session.add_all(
            Document(
                tenant_id=tenant, id=name, source_id="s", external_id=name, title=name, uri="", state="live",
                current_version=1,
            )
            for name in acls
        )  # fmt: skip
        session.flush()
        for user in sorted(users):
            directory.put_user(session, tenant, user, name=user, actor="test")
        for group, members in mapped.groups.items():
            directory.put_group(session, tenant, group, name=group, members=sorted(members), actor="test")
        assign(session, tenant, acls, actor="test")
    decided = {}
    with catalog.reading(tenant) as session:
        for check in mapped.case.checks:
            name = f"{check.object}#{check.relation}"
            access = resolve(session, tenant, principal(check.user))
            decided[check] = name in recheck(session, access, [name])[1]
            assert gate_1(compile_filter(access), compile_payload(acls[name])) is decided[check], (tenant, check)
    return decided


@pytest.mark.data
def test_every_check_of_the_sample_stores_that_can_be_said_holds(catalog: Catalog) -> None:
    held: Counter[str] = Counter()
    depends: Counter[tuple[str, str]] = Counter()
    for case in read_cases(STORES):
        conditions = any("condition" in found for found in case.tuples)
        decided = [decide(catalog, f"{case.store} {case.name} {met}", Mapped(case, met)) for met in {False, conditions}]
        for check in case.checks:
            if len({one[check] for one in decided}) == 1:
                assert decided[0][check] is check.expected, (case.store, case.name, check)
                held[case.store] += 1
            else:
                depends[case.store, f"{check.object.partition(':')[0]}#{check.relation}"] += 1
    print(f"\n{sum(held.values())} checks of {len(held)} stores hold")
    for store, count in held.items():
        print(f"  {store}: {count}")
    print(f"{sum(depends.values())} checks depend on the request (OpenFGA's conditions)")
    for (store, relation), count in depends.items():
        print(f"  {store} {relation}: {count}")
    assert dict(held) == HELD
    assert dict(depends) == DEPENDS


MODEL = parse_model(
    """
    type user
    type group
      relations
        define member: [user, group#member]
    type folder
      relations
        define viewer: [user, group#member]
        define blocked: [user, group#member]
    type document
      relations
        define parent: [folder]
        define owner: [user]
        define cleared: [user]
        define blocked: [user, group#member] or blocked from parent
        define reader: ((owner or viewer from parent) and cleared) but not blocked
        define exception: (viewer from parent but not blocked) or owner
    """
)
TUPLES = [
    ("user:anne", "member", "group:inner"), ("group:inner#member", "member", "group:outer"),
    ("group:outer#member", "member", "group:inner"), ("group:outer#member", "viewer", "folder:f"),
    ("folder:f", "parent", "document:d"), ("user:olga", "owner", "document:d"), ("user:mona", "member", "group:outer"),
    ("user:mona", "blocked", "folder:f"), ("user:anne", "cleared", "document:d"),
    ("user:mona", "cleared", "document:d"), ("user:paul", "cleared", "document:d"),
    ("user:olga", "cleared", "document:d"), ("user:lena", "member", "group:inner"),
]  # fmt: skip


def test_an_exclusion_denies_and_groups_may_contain_each_other(catalog: Catalog) -> None:
    """What no sample store has."""
    tuples = [dict(zip(("user", "relation", "object"), row, strict=True)) for row in TUPLES]
    readers = {"user:anne": True, "user:olga": True, "user:mona": False, "user:paul": False, "user:lena": False}
    checks = [Check(user, "document:d", "reader", expected) for user, expected in readers.items()]
    decided = decide(catalog, "own", Mapped(Case("own", "0", MODEL, tuples, checks)))
    assert decided == {check: check.expected for check in checks}


def test_an_exclusion_inside_a_union_cannot_be_said() -> None:
    tuples = [dict(zip(("user", "relation", "object"), row, strict=True)) for row in TUPLES]
    with pytest.raises(Inexpressible, match="inside a union"):
        Mapped(Case("own", "0", MODEL, tuples, [])).acl("document:d", "exception")
