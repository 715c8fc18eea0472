"""The sql connector on PostgreSQL and SQLite: what it names, what it goes on from, and that it only ever reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.registry import make_connector
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, Unavailable, VouchError
from vouch.core.types import Change, Checkpoint, Deleted, Json, RawClause, Refused, Upsert

VARIABLE = "VOUCH_SQL_CRM_URL"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TICKETS = {"url_env": VARIABLE, "query": "SELECT * FROM ticket", "key": ["id"], "body": "# {name}\n\n{note}\n"}


class Crm:
    """The other system: it writes, the connector reads."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self("DROP TABLE IF EXISTS ticket")
        self("DROP TABLE IF EXISTS reader")

    def __call__(self, statement: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return result.scalar() if result.returns_rows else None

    def ticket(self, id: int, name: str = "A", note: str = "b", at: datetime = NOON, **more: Any) -> None:
        self("DELETE FROM ticket WHERE id = :i", i=id)
        self("INSERT INTO ticket (id, name, note, changed_at) VALUES (:i, :n, :b, :a)", i=id, n=name, b=note, a=at)
        for column, value in more.items():
            self(f"UPDATE ticket SET {column} = :v WHERE id = :i", v=value, i=id)


@pytest.fixture
def crm(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    """PostgreSQL."""
    monkeypatch.setenv(VARIABLE, empty_database_url)
    crm = Crm(empty_database_url)
    crm(
        "CREATE TABLE ticket (id bigint PRIMARY KEY, name text, note text, changed_at timestamptz, readers text[],"
        " banned text, gone boolean, owner text)"
    )
    crm("CREATE TABLE reader (id bigint, principal text, deny boolean)")
    yield crm
    crm.engine.dispose()


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    """SQLite."""
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    monkeypatch.setenv(VARIABLE, url)
    crm = Crm(url)
    crm("CREATE TABLE ticket (id INTEGER PRIMARY KEY, name TEXT, note TEXT, changed_at TEXT, readers TEXT)")
    yield crm
    crm.engine.dispose()


def changes(after: Json | None = None, /, **config: Any) -> tuple[list[Change], Json | None]:
    found = list(make_connector("sql", {**TICKETS, **config}).scan(after))
    assert isinstance(found[-1], Checkpoint)
    named = [change for change in found if not isinstance(change, Checkpoint)]
    assert len({c.external_id for c in named}) == len(named)
    return list(named), found[-1].cursor


def upserts(after: Json | None = None, /, **config: Any) -> dict[str, Upsert]:
    return {c.external_id: c for c in changes(after, **config)[0] if isinstance(c, Upsert)}


def test_a_row_is_a_document(crm: Crm) -> None:
    crm.ticket(7, "Pump & valve", "It leaks at 12:30, 50% of the time.", owner="user:carol")
    config = {
        "query": "SELECT *, '12:30'::text AS hour FROM ticket WHERE note LIKE '%50\\%%' -- all of it",
        "title": "{name}, {hour}",
        "uri": "https://files.example.org/t/{id}?n={name}",
        "modified_at": "changed_at",
        "owner_column": "owner",
    }
    (row,) = upserts(**config).values()
    assert row.external_id == "7" and row.title == "Pump & valve, 12:30" and row.owner == "user:carol"
    assert row.uri == "https://files.example.org/t/7?n=Pump%20%26%20valve"
    assert row.modified_at == NOON and row.acl is None and row.mime == "text/markdown"
    body = make_connector("sql", {**TICKETS, **config}).fetch("7")
    assert body.data.decode() == "# Pump & valve\n\nIt leaks at 12:30, 50% of the time.\n"
    crm.ticket(7, "Pump & valve", "It leaks at 12:30, 51% or 50%.")
    assert upserts(**config)["7"].fingerprint != row.fingerprint


def test_a_sync_goes_on_from_the_cursor_and_misses_no_tie_and_no_late_commit(crm: Crm) -> None:
    config = {"cursor": "changed_at", "overlap": 60}
    for n in range(20):
        crm.ticket(n, at=NOON - timedelta(hours=n))
    _, cursor = changes(**config)
    assert cursor == {"kind": "datetime", "value": NOON.isoformat()}
    crm.ticket(100, at=NOON)
    crm.ticket(101, at=NOON - timedelta(seconds=59))
    crm.ticket(102, at=NOON + timedelta(seconds=1))
    crm.ticket(103, at=NOON - timedelta(seconds=61))
    crm("INSERT INTO ticket (id) VALUES (104)")
    named, after = changes(cursor, **config)
    assert [c.external_id for c in named if isinstance(c, Upsert)] == ["101", "0", "100", "102", "104"]
    assert after == {"kind": "datetime", "value": (NOON + timedelta(seconds=1)).isoformat()}
    assert set(upserts(**config)) >= {"103", "104", "19"}


@pytest.mark.parametrize("cursor", [{}, {"kind": "NoneType", "value": None}, {"kind": "datetime", "value": "soon"}])
def test_where_there_is_nothing_to_go_on_from_everything_is_listed(crm: Crm, cursor: Json) -> None:
    with pytest.raises(CursorExpired):
        changes(cursor, cursor="changed_at")
    with pytest.raises(CursorExpired):
        changes({"kind": "int", "value": 7})


def test_integers_and_texts_are_cursors_too(crm: Crm, lite: Crm) -> None:
    for n in range(5):
        lite.ticket(n, name=f"n{n}")
    _, cursor = changes(cursor="id", overlap=0)
    assert set(upserts(cursor, cursor="id", overlap=0)) == {"4"}
    assert set(upserts(cursor, cursor="id", overlap=2)) == {"2", "3", "4"}
    _, cursor = changes(cursor="name")
    assert cursor == {"kind": "str", "value": "n4"} and set(upserts(cursor, cursor="name")) == {"4"}


def test_rows_that_are_gone_are_deleted_and_those_that_came_back_are_not(crm: Crm) -> None:
    config = {"cursor": "changed_at", "deleted": "gone", "tombstones": "SELECT id FROM dead"}
    crm("CREATE TABLE dead (id bigint)")
    for n in (1, 2, 3):
        crm.ticket(n, at=NOON - timedelta(days=1))
    crm.ticket(4)
    _, cursor = changes(**config)
    crm.ticket(1, at=NOON, gone=True)
    crm("DELETE FROM ticket WHERE id = 2")
    crm("INSERT INTO dead VALUES (2), (2), (3), (77)")  # 3 was there again before the last sync
    named, _ = changes(cursor, **config)
    assert {c.external_id for c in named if isinstance(c, Deleted)} == {"1", "2", "77"}
    assert {c.external_id for c in named if isinstance(c, Upsert)} == {"4"}
    with pytest.raises(NotFound):
        make_connector("sql", {**TICKETS, **config}).fetch("1")
    assert set(upserts(**config)) == {"3", "4"}


def test_who_may_read_is_in_a_column(crm: Crm) -> None:
    crm.ticket(1, readers=["user:alice", "group:hr"], banned=" user:bob , group:interns")
    crm.ticket(2, readers=[])
    crm.ticket(3, banned="user:bob")
    crm.ticket(4, readers=["user:alice"], banned='["user:bob"]')
    crm.ticket(5, readers=["user:alice"], banned="[broken")
    found = upserts(access_column="readers", deny_column="banned", access=[{"allow": ["group:staff"]}])
    staff, where = RawClause(("group:staff",), (), "config.access"), "config.access_column"
    assert {name: row.acl for name, row in found.items()} == {
        "1": (staff, RawClause(("user:alice", "group:hr"), ("user:bob", "group:interns"), where)),
        "2": None,
        "3": None,
        "4": (staff, RawClause(("user:alice",), ("user:bob",), where)),
        "5": (staff, RawClause(("user:alice",), ("[broken",), where)),
    }
    assert all(row.acl == (staff,) for row in upserts(access=[{"allow": ["group:staff"]}]).values())


def test_who_may_read_is_in_a_second_query(crm: Crm) -> None:
    crm.ticket(1, at=NOON - timedelta(days=1))
    crm.ticket(2)
    crm.ticket(3)
    crm.ticket(4)
    crm(
        "INSERT INTO reader VALUES (1, 'user:alice', NULL), (2, 'group:hr', NULL), (2, 'user:bob', true),"
        " (2, 'user:alice', false), (3, 'user:carol', true), (9, 'user:alice', NULL), (4, NULL, false)"
    )
    config = {"access_query": "SELECT id, principal, deny FROM reader", "cursor": "changed_at"}
    where = "config.access_query"
    expected = {
        "1": (RawClause(("user:alice",), (), where),),
        "2": (RawClause(("group:hr", "user:alice"), ("user:bob",), where),),
        "3": None,
        "4": None,
    }
    assert {name: row.acl for name, row in upserts(**config).items()} == expected
    _, cursor = changes(**config)
    del expected["1"]
    assert {name: row.acl for name, row in upserts(cursor, **config).items()} == expected


def test_keys_of_several_columns_and_of_any_text(crm: Crm) -> None:
    crm("CREATE TABLE page (area text, day date, ref uuid, note text)")
    crm("INSERT INTO page VALUES ('a/b %', '2026-11-02', 'a1fd4c00-0000-4000-8000-00000000ed0c', 'x'),"
        " ('A/B %', '2026-11-02', 'a1fd4c00-0000-4000-8000-00000000ed0c', 'y')")  # fmt: skip
    config = {"query": "SELECT * FROM page", "key": ["area", "day", "ref"], "body": "{note}"}
    names = ["A%2FB %25/2026-11-02/a1fd4c00-0000-4000-8000-00000000ed0c"]
    names.append(names[0].replace("A%2FB", "a%2Fb"))
    assert sorted(upserts(**config)) == names
    connector = make_connector("sql", {**TICKETS, **config})
    assert [connector.fetch(name).data for name in names] == [b"y", b"x"]
    for name in ("a", "a/b/c", names[0] + "/x", names[0].replace("-02", "-2"), "x\0y/2026-11-02/a", names[0].upper()):
        with pytest.raises(NotFound):
            connector.fetch(name)


def test_a_key_is_looked_up_by_its_index(crm: Crm) -> None:
    crm("INSERT INTO ticket (id, note) SELECT n, 'x' FROM generate_series(1, 5000) n")
    crm("ANALYZE ticket")
    seen: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "k0" in statement:
            cursor.execute("EXPLAIN " + statement, parameters)
            seen.append(" ".join(row[0] for row in cursor.fetchall()))

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    try:
        assert make_connector("sql", TICKETS).fetch("4711").data == b"# \n\nx\n"
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", explain)
    assert len(seen) == 1 and "Index Scan using ticket_pkey" in seen[0]


def test_what_a_row_cannot_be_is_refused_and_the_others_go_on(crm: Crm) -> None:
    crm("CREATE TABLE odd (id text, note text, raw bytea, at text)")
    crm("INSERT INTO odd VALUES ('ok', 'x', NULL, '2026-11-02T12:00:00Z'), ('big', repeat('x', 1100), NULL, NULL),"
        " ('raw', 'x', '\\x00', NULL), ('late', 'x', NULL, 'soon'), (E'b\\nl', 'x', NULL, NULL)")  # fmt: skip
    config = {"query": "SELECT * FROM odd", "body": "{note}{raw}", "modified_at": "at", "max_row_kb": 1}
    named, _ = changes(**config)
    reasons = {c.external_id: c.reason for c in named if isinstance(c, Refused)}
    assert reasons == {"big": "too_large", "raw": "unreadable", "late": "unreadable", "b\\nl": "unreadable_name"}
    assert [c.modified_at for c in named if isinstance(c, Upsert)] == [NOON]
    connector = make_connector("sql", {**TICKETS, **config})
    for name, reason in (("big", "too_large"), ("raw", "unreadable")):
        with pytest.raises(DocumentRejected) as refused:
            connector.fetch(name)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"query": "SELECT id, name FROM ticket"}, "config.body", "'note'"),
        ({"key": ["uid"]}, "config.key", "'uid'"),
        ({"cursor": "rev"}, "config.cursor", "'rev'"),
        ({"deleted": "x"}, "config.deleted", "'x'"),
        ({"access_query": "SELECT id FROM reader"}, "config.access_query", "'principal'"),
        ({"query": "SELECT * FROM nothing"}, "config.query", "nothing"),
        ({"query": "SELECT * FROM ticket) q, (SELECT 1"}, "config.query", ""),
        ({"query": "SELECT 1, note, name, NULL AS id FROM ticket"}, "config.key", "no key"),
        ({"query": "SELECT a.* FROM ticket a, ticket b"}, "config.key", "Two rows"),
        ({"max_rows": 1}, "config.max_rows", "more than 1 "),
        ({"cursor": "half", "query": "SELECT *, 0.5::float AS half FROM ticket"}, "config.cursor", "must hold"),
    ],
)
def test_what_does_not_fit_the_query_fails_the_scan_by_name(
    crm: Crm, config: dict[str, Any], field: str, says: str
) -> None:
    crm.ticket(1)
    crm.ticket(2)
    with pytest.raises(BadConfig) as refused:
        changes(**config)
    assert refused.value.field == field and says in refused.value.detail


@pytest.mark.parametrize(
    "query",
    [
        "WITH d AS (DELETE FROM ticket RETURNING *) SELECT * FROM d",
        "SELECT id, name, note, set_config('transaction_read_only', 'off', true) FROM ticket",
        "SELECT id, name, note, emptied() FROM ticket",
        "SELECT id, name, note, nextval('counter') FROM ticket",
    ],
)
def test_nothing_is_ever_written(crm: Crm, query: str) -> None:
    crm.ticket(1)
    crm("CREATE SEQUENCE counter")
    crm("CREATE FUNCTION emptied() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM ticket; SELECT 1'")
    with pytest.raises(VouchError):
        changes(query=query)
    assert crm("SELECT count(*) FROM ticket") == 1


def test_sqlite_does_not_write_either_nor_make_a_file(
    lite: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.ticket(1, at="2026-11-02", readers="user:alice, user:bob")  # type: ignore[arg-type]
    (row,) = upserts(access_column="readers", modified_at="changed_at").values()
    assert row.acl == (RawClause(("user:alice", "user:bob"), (), "config.access_column"),)
    assert row.modified_at == datetime(2026, 11, 2, tzinfo=UTC)
    connector = make_connector("sql", TICKETS)
    assert connector.fetch("1").data == b"# A\n\nb\n"
    for name in ("1.0", "01", " 1", "x"):
        with pytest.raises(NotFound):
            connector.fetch(name)
    with pytest.raises(BadConfig):
        changes(query="SELECT * FROM nothing")
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(BadConfig):
        changes()
    assert not (tmp_path / "none.db").exists()


def test_a_query_that_takes_too_long_is_ended_by_the_database(crm: Crm) -> None:
    crm.ticket(1)
    with pytest.raises(Unavailable, match="longer"):
        changes(query="SELECT *, pg_sleep(600) FROM ticket", timeout_s=1)


def test_a_database_that_is_not_there_is_an_error_that_tells_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://reader:s3cr3t-word@127.0.0.1:9/crm")
    with pytest.raises(Unavailable) as refused:
        changes()
    assert "s3cr3t" not in str(refused.value.problem()) and "127" not in str(refused.value.problem())


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url_env": "VOUCH_DATABASE_URL"}, "config.url_env"),
        ({"url_env": "VOUCH_SQL_NONE_URL"}, "config.url_env"),
        ({"url_env": "PATH"}, "config.url_env"),
        ({"url_env": "postgresql://reader:s3cr3t-word@127.0.0.1/crm"}, "config.url_env"),
        ({"url": "postgresql://reader:s3cr3t-word@127.0.0.1/crm"}, "config.url"),
        ({"query": "DELETE FROM ticket"}, "config.query"),
        ({"query": "SELECT 1; DROP TABLE ticket"}, "config.query"),
        ({"query": "-- x\nSELECT 1"}, "config.query"),
        ({"key": []}, "config.key"),
        ({"key": ['id" OR 1=1 --']}, "config.key.0"),
        ({"cursor": "a b"}, "config.cursor"),
        ({"body": "{note.__class__}"}, "config.body"),
        ({"body": "{note[0]}"}, "config.body"),
        ({"body": "{note!r}"}, "config.body"),
        ({"body": "{note:>9999999999}"}, "config.body"),
        ({"body": "{}"}, "config.body"),
        ({"body": "{note"}, "config.body"),
        ({"uri": "javascript:{id}"}, "config.uri"),
        ({"access": [{"allow": ["bob"]}]}, "config.access.0.allow"),
        ({"access_column": "a", "access_query": "SELECT 1"}, "config"),
        ({"deny_column": "a"}, "config"),
        ({"timeout_s": 0}, "config.timeout_s"),
    ],
)
def test_a_configuration_that_cannot_work_names_its_field(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], field: str
) -> None:
    monkeypatch.setenv(VARIABLE, "sqlite:///crm.db")
    with pytest.raises(BadConfig) as refused:
        make_connector("sql", {**TICKETS, **config})
    assert refused.value.field == field and "s3cr3t" not in str(refused.value.problem())


@pytest.mark.parametrize(
    "url", ["", "no url", "gopher://x", "mysql+nodriver://x/y", "oracle://x/y", "postgresql://h:port/x"]
)
def test_an_address_that_cannot_be_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(BadConfig) as refused:
        make_connector("sql", TICKETS)
    assert refused.value.field == "config.url_env" and not (url and url in refused.value.detail)
