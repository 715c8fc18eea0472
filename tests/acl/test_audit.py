"""The audit log: whatever is done to its tables behind the platform's back is found and named."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, ProgrammingError

from acl import audit as log
from acl.audit_heads import Head, HeadsFile, heads
from acl.audit_verify import BATCH, Broken, Verified, verify
from acl.caller import Asker, Caller
from vouch.catalog import audit
from vouch.catalog import epoch as epochs
from vouch.catalog.audit import CHAINS
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.core.errors import BadConfig, InvalidInput

KEY = b"of the tests"
ENTRIES = 12
ALICE = Asker("a", "user:alice", "k1")


def add(catalog: Catalog, tenant: str, n: int, *, chain: audit.Chain = "use") -> None:
    for number in range(n):
        with catalog.transaction(tenant, durable=False) as session:
            detail = {"documents": {f"d{number}": number}, "epoch": 1, "said": 'Grüße 🙂 "x\\'}
            audit.append(
                session,
                tenant,
                chain=chain,
                actor="user:u via key:k",
                action="search",
                subject=f"trace:{number}",
                detail=detail,
            )


@pytest.fixture
def logged(catalog: Catalog) -> Catalog:
    """Two tenants with a few entries in the chain `use`, and two in `access`."""
    for tenant in ("a", "b"):
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
        with catalog.transaction(tenant) as session:
            for user in ("user:x", "user:y"):
                epochs.bump(session, tenant, kind="user", subject=user, actor="key:k", detail={"active": True})
        add(catalog, tenant, ENTRIES)
    return catalog


@pytest.fixture
def superuser(logged: Catalog) -> Iterator[psycopg.Connection]:
    """Somebody who may do anything to the database, and does not know the platform's key."""
    with psycopg.connect(logged.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER only_added")
        yield connection


def checked(catalog: Catalog, *written: Head, keys: tuple[bytes, ...] = (KEY,), tenant: str = "a") -> Verified:
    with catalog.reading(tenant) as session:
        return verify(session, tenant, keys, written)


def kept(catalog: Catalog, tenant: str = "a") -> list[Head]:
    with catalog.transaction(tenant) as session:
        return heads(session, tenant)


def found(catalog: Catalog, *written: Head) -> tuple[str, int, str]:
    """The one broken place of tenant a; the other tenant's chains are whole."""
    assert not checked(catalog, tenant="b").broken
    (broken,) = checked(catalog, *written).broken
    assert broken.detail
    return broken.chain, broken.seq, broken.what


def test_what_nobody_touched_is_whole(logged: Catalog) -> None:
    found = checked(logged, *kept(logged))
    assert not found.broken
    assert [(one.chain, one.entries) for one in found.chains] == [("access", 2), ("use", ENTRIES)]
    assert found.heads == len(CHAINS)
    add(logged, "a", 3)
    assert not checked(logged).broken


def test_a_tenant_without_entries_is_whole(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="a", name="a"))
    assert checked(catalog) == Verified(checked(catalog).chains, 0, ())


def test_more_entries_than_are_in_memory_at_a_time(logged: Catalog, superuser: psycopg.Connection) -> None:
    add(logged, "a", BATCH + 5)
    assert [one.entries for one in checked(logged).chains] == [2, ENTRIES + BATCH + 5]
    superuser.execute("UPDATE audit_entry SET actor = 'user:v' WHERE tenant_id = 'a' AND seq = %s", (BATCH + 2,))
    assert found(logged) == ("use", BATCH + 2, "edited")


@pytest.mark.parametrize(
    "change",
    [
        "at = at + interval '1 microsecond'",
        "at = 'infinity'",
        "actor = 'user:v via key:k'",
        "action = 'text.read'",
        "subject = 'trace:99'",
        "detail = detail || '{\"epoch\": 2}'",
        "detail = detail - 'documents'",
        "detail = '[]'",
        "mac = repeat('0', 64)",
        "mac = 'é'",
        "mac = upper(mac)",
        "chain = 'access', seq = 3",
    ],
)
def test_an_edited_entry_is_found(logged: Catalog, superuser: psycopg.Connection, change: str) -> None:
    superuser.execute(f"UPDATE audit_entry SET {change} WHERE tenant_id = 'a' AND chain = 'use' AND seq = 5")
    if "chain" not in change:
        assert found(logged) == ("use", 5, "edited")
    else:
        broken = {(one.chain, one.seq, one.what) for one in checked(logged).broken}
        assert broken == {("access", 3, "inserted"), ("use", 5, "missing")}


@pytest.mark.parametrize("seq", [1, 5, ENTRIES - 1])
def test_an_entry_taken_out_is_found(logged: Catalog, superuser: psycopg.Connection, seq: int) -> None:
    superuser.execute("DELETE FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq = %s", (seq,))
    assert found(logged) == ("use", seq, "missing")


def test_an_entry_taken_out_and_the_rest_renumbered_is_found(logged: Catalog, superuser: psycopg.Connection) -> None:
    superuser.execute("DELETE FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq = 5")
    for seq in range(6, ENTRIES + 1):
        superuser.execute(
            "UPDATE audit_entry SET seq = seq - 1 WHERE tenant_id = 'a' AND chain = 'use' AND seq = %s", (seq,)
        )
    superuser.execute("UPDATE audit_head SET seq = seq - 1 WHERE tenant_id = 'a' AND chain = 'use'")
    assert found(logged) == ("use", 5, "edited")


def _cut(superuser: psycopg.Connection, after: int) -> None:
    superuser.execute("DELETE FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq > %s", (after,))


def _set_back(superuser: psycopg.Connection, seq: int) -> None:
    """The head row as it was when entry ``seq`` was the last."""
    superuser.execute(
        "UPDATE audit_head h SET seq = e.seq, mac = e.mac FROM audit_entry e WHERE h.tenant_id = 'a'"
        " AND (e.tenant_id, e.chain) = (h.tenant_id, h.chain) AND h.chain = 'use' AND e.seq = %s",
        (seq,),
    )


def test_a_tail_cut_off_is_found(logged: Catalog, superuser: psycopg.Connection) -> None:
    _cut(superuser, 7)
    assert found(logged) == ("use", 8, "truncated")


def test_a_tail_cut_off_with_its_head_set_back_is_found_by_what_was_written_down(
    logged: Catalog, superuser: psycopg.Connection
) -> None:
    written = kept(logged)
    _cut(superuser, 7)
    _set_back(superuser, 7)
    assert not checked(logged).broken  # by itself the chain cannot know
    assert found(logged, *written) == ("use", 8, "truncated")
    add(logged, "a", ENTRIES)  # longer than it ever was
    assert not checked(logged).broken
    assert found(logged, *written) == ("use", ENTRIES, "head")


def test_a_chain_wiped_out_is_found_by_what_was_written_down(logged: Catalog, superuser: psycopg.Connection) -> None:
    written = kept(logged)
    for table in ("audit_entry", "audit_head"):
        superuser.execute(f"DELETE FROM {table} WHERE tenant_id = 'a'")
    broken = {(one.chain, one.seq, one.what) for one in checked(logged, *written).broken}
    assert broken == {("access", 1, "truncated"), ("use", 1, "truncated")}


@pytest.mark.parametrize("moved", [False, True])
def test_an_entry_put_in_at_the_end_is_found(logged: Catalog, superuser: psycopg.Connection, moved: bool) -> None:
    superuser.execute(
        "INSERT INTO audit_entry SELECT tenant_id, chain, seq + 1, at, actor, action, subject, detail, mac"
        " FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq = %s",
        (ENTRIES,),
    )
    if moved:
        _set_back(superuser, ENTRIES + 1)
    assert found(logged) == ("use", ENTRIES + 1, "edited" if moved else "inserted")


def test_an_entry_put_in_before_the_first_is_found(logged: Catalog, superuser: psycopg.Connection) -> None:
    superuser.execute(
        "INSERT INTO audit_entry SELECT tenant_id, chain, 0, at, actor, action, subject, detail, mac"
        " FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq = 1"
    )
    assert found(logged) == ("use", 0, "inserted")


def test_entries_swapped_are_found(logged: Catalog, superuser: psycopg.Connection) -> None:
    for old, new in ((5, 100), (6, 5), (100, 6)):
        superuser.execute(
            "UPDATE audit_entry SET seq = %s WHERE tenant_id = 'a' AND chain = 'use' AND seq = %s", (new, old)
        )
    assert found(logged) == ("use", 5, "edited")


def test_an_entry_of_another_tenant_is_found(logged: Catalog, superuser: psycopg.Connection) -> None:
    """The same thing done at the same place in another tenant's chain does not fit here."""
    superuser.execute("DELETE FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use' AND seq = 1")
    superuser.execute(
        "INSERT INTO audit_entry SELECT 'a', chain, seq, at, actor, action, subject, detail, mac"
        " FROM audit_entry WHERE tenant_id = 'b' AND chain = 'use' AND seq = 1"
    )
    assert found(logged) == ("use", 1, "edited")


@pytest.mark.parametrize("key", [b"", b"guessed"])
def test_a_table_written_anew_without_the_key_is_found(
    logged: Catalog, superuser: psycopg.Connection, key: bytes
) -> None:
    """Everything consistent in itself, numbers and heads too: only the key is missing."""
    _written_anew(superuser, key)
    assert found(logged) == ("use", 1, "edited")


def test_a_table_written_anew_with_the_key_is_found_by_what_was_written_down(
    logged: Catalog, superuser: psycopg.Connection
) -> None:
    written = kept(logged)
    _written_anew(superuser, KEY)
    assert not checked(logged).broken
    assert found(logged, *written) == ("use", ENTRIES, "head")


def _written_anew(superuser: psycopg.Connection, key: bytes) -> None:
    rows = superuser.execute(
        "SELECT seq, at, actor, action, subject, detail FROM audit_entry WHERE tenant_id = 'a' AND chain = 'use'"
        " ORDER BY seq"
    ).fetchall()
    mac = ""
    for seq, at, _, action, subject, detail in rows:
        facts = {"tenant": "a", "chain": "use", "seq": seq, "at": at, "action": action, "subject": subject}
        mac = audit.seal(key, mac, {**facts, "actor": "user:somebody-else", "detail": detail})
        superuser.execute(
            "UPDATE audit_entry SET actor = 'user:somebody-else', mac = %s"
            " WHERE tenant_id = 'a' AND chain = 'use' AND seq = %s",
            (mac, seq),
        )
    superuser.execute("UPDATE audit_head SET mac = %s WHERE tenant_id = 'a' AND chain = 'use'", (mac,))


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit_head SET mac = repeat('0', 64) WHERE tenant_id = 'a' AND chain = 'use'", ENTRIES),
        ("UPDATE audit_head SET seq = 7 WHERE tenant_id = 'a' AND chain = 'use'", ENTRIES),
        ("DELETE FROM audit_head WHERE tenant_id = 'a' AND chain = 'use'", ENTRIES),
    ],
)
def test_a_changed_head_is_found(logged: Catalog, superuser: psycopg.Connection, statement: str, seq: int) -> None:
    superuser.execute(statement)
    assert found(logged) == ("use", seq, "head")


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_the_owner_of_the_table_is_refused_too(logged: Catalog, statement: str) -> None:
    with pytest.raises(DBAPIError, match="only ever added"), logged.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text(statement))
    assert not checked(logged).broken


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "DELETE FROM audit_head"]
)
def test_a_tenants_session_is_refused(logged: Catalog, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), logged.transaction("a") as session:
        session.execute(sa.text(statement))


def test_entries_added_at_once_leave_no_gap(logged: Catalog) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: add(logged, "a", 25), range(8)))
    whole = checked(logged)
    assert not whole.broken
    assert [one.entries for one in whole.chains] == [2, ENTRIES + 200]


def test_a_chain_that_several_begin_at_once_is_one_chain(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="a", name="a"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: add(catalog, "a", 1), range(8)))
    whole = checked(catalog)
    assert not whole.broken
    assert [one.entries for one in whole.chains] == [0, 8]


def test_a_transaction_undone_leaves_no_gap(logged: Catalog) -> None:
    class Undone(Exception):
        pass

    with pytest.raises(Undone), logged.transaction("a") as session:
        log.record(session, ALICE, "search", "trace:x")
        raise Undone
    add(logged, "a", 1)
    assert [one.entries for one in checked(logged).chains] == [2, ENTRIES + 1]


def test_without_the_key_nothing_is_added(logged: Catalog) -> None:
    blind = Catalog(logged.url)
    with pytest.raises(BadConfig), blind.transaction("a") as session:
        log.record(session, ALICE, "search", "trace:x")
    blind.close()


def test_entries_of_a_former_key_are_met_and_none_after_the_change(logged: Catalog) -> None:
    newer, newest = Catalog(logged.url, audit_key=b"newer"), Catalog(logged.url, audit_key=b"newest")
    add(newer, "a", 3)
    add(newest, "a", 3)
    keys = (b"newest", b"newer", KEY)
    assert not checked(logged, keys=keys).broken
    assert checked(logged).broken[0] == Broken(
        "use", ENTRIES + 1, "edited", "the seal does not fit the entry and the one before it"
    )
    add(logged, "a", 1)  # somebody has found the old key
    assert [(one.seq, one.what) for one in checked(logged, keys=keys).broken] == [(ENTRIES + 7, "edited")]
    newer.close()
    newest.close()


# --- heads written down -------------------------------------------------------------------------------------------


def test_heads_are_written_down_when_they_moved(logged: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "audit" / "heads.jsonl"
    file = HeadsFile(path)
    with logged.transaction(ACROSS_TENANTS) as session:
        everyone = heads(session)
    assert [(head.tenant, head.chain, head.seq) for head in everyone] == [
        ("a", "access", 2), ("a", "use", ENTRIES), ("b", "access", 2), ("b", "use", ENTRIES),
    ]  # fmt: skip
    assert file.append(everyone) == 4
    assert file.append(everyone) == 0
    add(logged, "a", 1)
    assert file.append(kept(logged)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [(head.chain, head.seq) for head in file.of("a")] == [("access", 2), ("use", ENTRIES), ("use", ENTRIES + 1)]
    assert HeadsFile(path).append(kept(logged)) == 2  # a new process: said again, and no harm done
    assert not checked(logged, *file.of("a")).broken


def test_there_need_be_no_file(logged: Catalog, tmp_path: Path) -> None:
    assert list(HeadsFile(tmp_path / "none").of("a")) == []


def test_a_line_that_a_power_cut_tore_joins_no_other(logged: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    HeadsFile(path).append(kept(logged))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert len(list(HeadsFile(path).of("a"))) == 2
    HeadsFile(path).append(kept(logged, "b"))
    assert path.read_bytes().startswith(whole)
    assert len(path.read_bytes().splitlines()) == 4
    assert not checked(logged, *HeadsFile(path).of("a")).broken


def test_what_is_written_down_after_the_snapshot_is_not_expected_in_it(logged: Catalog, tmp_path: Path) -> None:
    file = HeadsFile(tmp_path / "heads.jsonl")
    file.append(kept(logged))
    written = file.of("a")
    with logged.reading("a") as session:
        session.execute(sa.text("SELECT 1"))
        add(logged, "a", 1)
        file.append(kept(logged))
        assert not verify(session, "a", [KEY], written).broken


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"mac": "0" * 64}, ("use", ENTRIES, "head")),
        ({"seq": ENTRIES - 1}, ("use", ENTRIES - 1, "head")),
        ({"seq": 99}, ("use", ENTRIES + 1, "truncated")),
        ({"chain": "neither"}, ("heads", 2, "edited")),
        ({"seq": None}, ("heads", 2, "edited")),
        ({"at": "yesterday"}, ("heads", 2, "edited")),
    ],
)
def test_an_edited_line_is_found(
    logged: Catalog, tmp_path: Path, change: dict[str, object], place: tuple[str, int, str]
) -> None:
    path = tmp_path / "heads.jsonl"
    HeadsFile(path).append(kept(logged))
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    path.write_text("\n".join(lines) + "\n")
    with logged.reading("a") as session:
        (broken,) = verify(session, "a", [KEY], HeadsFile(path).of("a")).broken
    assert (broken.chain, broken.seq, broken.what) == place


def test_a_head_of_another_tenant_is_refused(logged: Catalog) -> None:
    with pytest.raises(InvalidInput):
        checked(logged, *kept(logged, "b"))


def test_a_head_is_of_entries_that_no_crash_can_take_back(logged: Catalog) -> None:
    """The entry's own commit did not wait for the disk; the one that gives the head out waits for both."""
    add(logged, "a", 1)
    with psycopg.connect(logged.url) as connection:
        (written,) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("",)
    kept(logged)
    with psycopg.connect(logged.url) as connection:
        flushed = connection.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", (written,)).fetchone()
    assert flushed == (True,)


def test_a_head_waits_for_who_is_adding(logged: Catalog) -> None:
    with ThreadPoolExecutor(1) as other, logged.transaction("a") as session:
        log.record(session, ALICE, "search", "trace:x")
        waiting = other.submit(kept, logged)
        session.commit()
        assert [head.seq for head in waiting.result()] == [2, ENTRIES + 1]


# --- reading ------------------------------------------------------------------------------------------------------


def test_entries_are_found_by_what_they_say(logged: Catalog) -> None:
    boss = Caller("a", "k2", frozenset({"admin"}), None)
    began = clock.now()
    with logged.transaction("a") as session:
        log.record(session, ALICE, "document.read", "document:d77", log.shown([("d77", 3)], 2))
        log.record(session, ALICE, "search", "trace:t", log.shown([("d77", 3), ("d78", 1)], 2))
        log.record(session, boss, "source.create", "source:s")
        audit.append(
            session, "a", chain="use", actor="user:alice", action="x", subject="y", detail={"documents": ["d78"]}
        )

    def ask(limit: int = 50, before: log.Position | None = None, **wanted: object) -> list[str]:
        with logged.reading("a") as session:
            rows = log.read(session, "a", log.Wanted(**wanted), limit=limit, before=before)  # type: ignore[arg-type]
            return [row.subject for row in rows]

    assert ask(actor="user:alice") == ["y", "trace:t", "document:d77"]
    assert ask(actor="key:k1") == ["trace:t", "document:d77"]
    assert ask(actor="user:alice via key:k1") == []
    assert ask(actor="key:k2") == ["source:s"]
    assert ask(document="d77") == ["trace:t", "document:d77"]
    assert ask(document="d78") == ["y", "trace:t"]
    assert ask(subject="document:d77") == ["document:d77"]
    assert ask(action="source.create") == ["source:s"]
    assert ask(chain="access") == ["user:y", "user:x"]
    assert len(ask(since=began)) == 4
    assert len(ask(until=began)) == 2 + ENTRIES
    assert ask(since=began, until=began + timedelta(0)) == []
    assert len(ask(limit=3)) == 3


def test_pages_follow_on_one_another(logged: Catalog) -> None:
    seen: list[tuple[str, int]] = []
    before: log.Position | None = None
    while True:
        with logged.reading("a") as session:
            rows = log.read(session, "a", log.Wanted(), limit=5, before=before)
        if not rows:
            break
        seen += [(row.chain, row.seq) for row in rows]
        before = (rows[-1].at, rows[-1].chain, rows[-1].seq)
    assert seen == [("use", n) for n in range(ENTRIES, 0, -1)] + [("access", 2), ("access", 1)]


def test_a_reading_that_cannot_be_logged_is_not_done(logged: Catalog) -> None:
    blind = Catalog(logged.url)
    with pytest.raises(BadConfig):
        log.record_reading(blind, ALICE, "document.read", "document:d", {})
    blind.close()
