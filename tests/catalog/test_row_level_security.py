"""The second wall: PostgreSQL itself keeps tenants apart, whatever a query forgets to say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlmodel import Session, select

from acl import directory
from acl.assign import assign
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Membership, Source, Tenant, User, metadata
from vouch.core.types import Clause

ROOT = Path(__file__).parents[2]
SHARED = {"index_generation", "heartbeat", "alembic_version"}
"""Tables that hold nothing of any tenant."""

MAY_LOOK_ACROSS = {
    "acl/keys.py": "whose key is presented is not known before it is found",
    "acl/oidc.py": "whose token is presented is not known before its issuer is found",
    "acl/watch.py": "reads the epochs of all tenants that have a stream open, in one query",
    "ingestion/api/generations.py": "makes, swaps and drops generations of the whole index",
    "ingestion/generations/build.py": "fills a generation with the documents of every tenant",
    "ingestion/generations/empty.py": "clears away what is left of a removed generation",
    "ingestion/generations/prepare.py": "puts a generation back that lacks a document",
    "ingestion/metrics.py": "counts deliveries of all tenants, by state alone",
    "ingestion/rotate.py": "wraps the secrets of every tenant under the new key",
    "ingestion/scheduler.py": "sweeps every tenant's ledger",
    "ingestion/stages/turn.py": "whether a scan of any tenant waits for this one's place",
    "ingestion/tasks.py": "the canary's heartbeat",
    "ingestion/watch.py": "listens to the folders of every tenant",
    "ingestion/twins/work.py": "looks for documents of any tenant that are to be compared",
    "ingestion/work.py": "claims stages and settles jobs of any tenant",
    "ingestion/worker.py": "the worker's heartbeat",
    "retrieval/abandoned.py": "gives back what dead processes of any tenant had set aside",
    "retrieval/compare.py": "keeps the figures of a comparison with the generation",
    "retrieval/measuring/runner.py": "claims evaluations of any tenant",
    "retrieval/services.py": "reads the active index generation",
    "vouch/catalog/ledger.py": "renews leases of any tenant",
    "vouch/cli/first_start.py": "makes the first tenant",
    "vouch/cli/index.py": "verifies and rebuilds the whole index",
    "vouch/index/projector.py": "applies every tenant's operations",
}


@pytest.fixture
def two(catalog: Catalog) -> Catalog:
    """Two tenants with the same names in them."""
    for tenant in ("a", "b"):
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
            session.flush()
            session.add(Source(tenant_id=tenant, id="s", name="s", kind="push"))
            session.flush()
            session.add(
                Document(tenant_id=tenant, id="d", source_id="s", external_id="d", title=f"of {tenant}", uri="")
            )
        with catalog.transaction(tenant) as session:
            directory.put_user(session, tenant, "user:u", name=f"U of {tenant}", actor="test")
            directory.put_group(session, tenant, "group:g", name="G", members=["user:u"], actor="test")
            assign(session, tenant, {"d": (Clause(frozenset({"group:g"})),)}, actor="test")
    return catalog


def _tenant_tables() -> list[str]:
    return sorted(name for name, table in metadata.tables.items() if name not in SHARED and "tenant_id" in table.c)


def test_every_table_of_tenants_is_behind_the_same_wall(catalog: Catalog) -> None:
    with catalog.reading(ACROSS_TENANTS) as session:
        relations = session.execute(sa.text("SELECT relname, relrowsecurity FROM pg_class WHERE relkind = 'r'"))
        secured = {row.relname: row.relrowsecurity for row in relations}
        policies = {
            row.tablename: row
            for row in session.execute(sa.text("SELECT * FROM pg_policies WHERE policyname = 'one_tenant'"))
        }
    assert set(metadata.tables) == {*_tenant_tables(), "tenant"} | (SHARED - {"alembic_version"})
    for table in (*_tenant_tables(), "tenant"):
        column = "id" if table == "tenant" else "tenant_id"
        policy = policies[table]
        mine = f"(({column})::text = current_setting('vouch.tenant'::text, true))"
        assert secured[table], table
        assert (policy.permissive, policy.roles, policy.cmd) == ("PERMISSIVE", ["vouch_tenant"], "ALL"), table
        assert (policy.qual, policy.with_check) == (mine, mine), table


def test_a_query_without_the_tenant_sees_its_own_rows_alone(two: Catalog) -> None:
    with two.reading("a") as session:
        assert [row.title for row in session.exec(select(Document))] == ["of a"]
        assert [row.name for row in session.exec(select(User))] == ["U of a"]
        assert session.execute(sa.text("SELECT id FROM tenant")).scalars().all() == ["a"]
        for table in _tenant_tables():
            seen = session.execute(sa.text(f"SELECT DISTINCT tenant_id FROM {table}")).scalars().all()
            assert seen in ([], ["a"]), table
    with two.reading(ACROSS_TENANTS) as session:  # there was something to hide
        for table in ("app_user", "app_group", "membership", "document", "clause", "authz_event", "audit_entry"):
            seen = session.execute(sa.text(f"SELECT DISTINCT tenant_id FROM {table}")).scalars().all()
            assert sorted(seen) == ["a", "b"], table


@pytest.mark.parametrize("tenant", ["nobody", "", "a' OR 'a'='a"])
def test_a_tenant_that_is_not_there_sees_nothing(two: Catalog, tenant: str) -> None:
    with two.reading(tenant) as session:
        for table in (*_tenant_tables(), "tenant"):
            assert session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar() == 0, table


def test_the_role_without_a_tenant_sees_nothing(two: Catalog) -> None:
    with two.reading(ACROSS_TENANTS) as session:
        session.execute(sa.text("SET LOCAL ROLE vouch_tenant"))
        assert session.execute(sa.text("SELECT count(*) FROM document")).scalar() == 0


def test_another_tenants_rows_are_neither_written_nor_removed(two: Catalog) -> None:
    with two.transaction("a") as session:
        session.execute(sa.text("UPDATE document SET title = 'taken'"))
        session.execute(sa.text("DELETE FROM membership"))
    with two.reading("b") as session:
        assert [row.title for row in session.exec(select(Document))] == ["of b"]
        assert len(session.exec(select(Membership)).all()) == 1
    with pytest.raises(ProgrammingError, match="row-level security"), two.transaction("a") as session:
        session.add(User(tenant_id="b", id="user:spy", name="Spy"))
    with pytest.raises(ProgrammingError, match="row-level security"), two.transaction("a") as session:
        session.execute(sa.text("UPDATE app_user SET tenant_id = 'b'"))


def test_the_wall_ends_with_the_transaction_and_not_before(two: Catalog) -> None:
    """Connections go back to a pool: the next transaction must not inherit a tenant, nor a failed one leave any."""
    with pytest.raises(ZeroDivisionError), two.transaction("a") as session:
        _ = 1 / 0
    for tenant in ("b", "a", "b"):
        with two.reading(tenant) as session:
            assert session.exec(select(User)).one().name == f"U of {tenant}"
    with two.reading(ACROSS_TENANTS) as session:
        assert len(session.exec(select(User)).all()) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "DELETE FROM audit_head",
        "UPDATE authz_event SET actor = 'x'",
        "DELETE FROM membership_change",
        "UPDATE document_change SET acl_id = NULL",
        "DELETE FROM user_change",
        "UPDATE profile_release SET stable = 'x'",
        "DELETE FROM profile_release",
        "DELETE FROM tenant",
        "INSERT INTO tenant (id, name, authz_epoch) VALUES ('c', 'C', 1)",
        "ALTER TABLE document DISABLE ROW LEVEL SECURITY",
        "DROP POLICY one_tenant ON document",
        "UPDATE index_generation SET state = 'retired'",
        "SELECT * FROM heartbeat",
        "CREATE TABLE mine (x int)",
    ],
)
def test_what_a_tenants_session_may_not_do(two: Catalog, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), two.transaction("a") as session:
        session.execute(sa.text(statement))


def test_only_these_may_look_across_tenants() -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ("vouch", "acl", "connectors", "ingestion", "retrieval", "evals")
        for path in (ROOT / room).rglob("*.py")
        if path.name != "database.py" and not str(path.relative_to(ROOT)).startswith("evals/bench")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == "ACROSS_TENANTS"
    }
    assert found == set(MAY_LOOK_ACROSS)


def test_a_session_always_says_its_tenant(catalog: Catalog) -> None:
    """No default: a call that forgets the tenant does not run, rather than run unguarded."""
    with pytest.raises(TypeError):
        catalog.reading()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        catalog.transaction()  # type: ignore[call-arg]
    with catalog.reading("t") as session:
        assert isinstance(session, Session)
