"""Rows of a database as documents: a query, the columns that name a row, and a template for its text.

Nothing of the database's own access is known here: who may read a row is declared, in a column, or in a second query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from connectors.declared import owner, raw
from connectors.protocol import Membership
from connectors.sql.access import Grants, column_clause
from connectors.sql.config import SqlConfig
from connectors.sql.cursor import from_cursor, to_cursor
from connectors.sql.database import Reading, existing, open_engine, reading, selected
from connectors.sql.key import id_of, values_of
from connectors.sql.template import Row, Template
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound
from vouch.core.types import Body, Change, Checkpoint, Deleted, Json, RawClause, Refused, SourceAcl, Upsert

MIME = "text/markdown"
_CHECKPOINT_EVERY = 1000
_MAX_TITLE = 300


class SqlConnector:
    """Scans and reads the rows of one query, each a document."""

    kind: ClassVar[str] = "sql"
    Config: ClassVar[type[BaseModel]] = SqlConfig
    lists_everything: ClassVar[bool] = False

    def __init__(self, config: SqlConfig) -> None:
        """Raises :class:`BadConfig` when the variable is not set, or what it holds cannot be an address. Whether the
        database answers, and the query runs, only a scan tells."""
        self.config = config
        self._engine = open_engine(config.url_env)
        self._body = Template(config.body)
        self._title = Template(config.title or "")
        self._uri = Template(config.uri or "")

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Rows that changed since the cursor and a little before it, or all of them, in the order of the cursor column.

        A row that was committed late, or at the same moment as another, is found all the same: what was named before
        is named again, and costs a comparison. Raises :class:`BadConfig` for what does not fit the query.
        """
        since = None if cursor is None else from_cursor(cursor, self.config.cursor, self.config.overlap)
        if cursor is not None and since is None:
            raise CursorExpired("There is no column, or no value of it, to go on from")
        with reading(self._engine, self.config.timeout_s) as database:
            self._check(database)
            grants = Grants.read(database, self.config, self._since(database, since))
            seen: set[str] = set()
            reached: Any = since
            for row in self._rows(database, since):
                yield self._change(row, self._name(row, seen), grants)
                if self.config.cursor is not None and row[self.config.cursor] is not None:
                    reached = row[self.config.cursor]
                if since is not None and len(seen) % _CHECKPOINT_EVERY == 0:
                    yield Checkpoint(to_cursor(reached))
            if since is not None:
                yield from self._gone(database, seen)
            yield Checkpoint(to_cursor(reached))

    def fetch(self, external_id: str) -> Body:
        """The row's text as it is now."""
        values = values_of(external_id, len(self.config.key))
        with reading(self._engine, self.config.timeout_s) as database:
            where = " AND ".join(f"q.{database.name(key)} = :k{n}" for n, key in enumerate(self.config.key))
            found = database.some(
                selected(self.config.query, "q", where), {f"k{n}": value for n, value in enumerate(values)}
            )
        # A database may take `a` for `A`, or 7 for `07`; a document is one row by its exact name.
        rows = [row for row in found if id_of(row, self.config.key) == external_id]
        if not rows or self._is_gone(rows[0]):
            raise NotFound()
        try:
            data = self._body.render(rows[0]).encode("utf-8", "replace")
        except ValueError as error:
            raise DocumentRejected(f"It cannot be read: {error}", reason="unreadable") from error
        if len(data) > self.config.max_row_kb << 10:
            raise DocumentRejected(self._too_large, reason="too_large")
        return Body(data, MIME)

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    # -- what is asked --

    def _check(self, database: Reading) -> None:
        """That every column that the configuration names is one of the query's."""
        columns = database.columns(self.config.query)
        named: dict[str, frozenset[str]] = {"key": frozenset(self.config.key), "body": self._body.columns}
        named |= {"title": self._title.columns, "uri": self._uri.columns}
        for field in ("cursor", "modified_at", "owner_column", "access_column", "deny_column", "deleted"):
            column = getattr(self.config, field)
            named[field] = frozenset([column] if column is not None else ())
        for field, wanted in named.items():
            for column in sorted(wanted - set(columns)):
                said = f"The query gives no column {column!r}; it gives {', '.join(columns)}"
                raise BadConfig(said, field=f"config.{field}")

    def _since(self, database: Reading, since: Any) -> tuple[str, Json]:
        """The condition on ``q`` of a row that may have changed. One without a cursor value may have at any time."""
        if since is None or self.config.cursor is None:
            return "", {}
        column = f"q.{database.name(self.config.cursor)}"
        return f"({column} >= :since OR {column} IS NULL)", {"since": since}

    def _rows(self, database: Reading, since: Any) -> Iterator[Row]:
        condition, values = self._since(database, since)
        order = f"q.{database.name(self.config.cursor)}" if self.config.cursor is not None else ""
        yield from database.rows(selected(self.config.query, "q", condition, order), values)

    def _gone(self, database: Reading, seen: set[str]) -> Iterator[Deleted]:
        """Rows that the tombstones name and the query does not: one that came back is no longer gone."""
        if self.config.tombstones is None:
            return
        same = " AND ".join(f"q.{database.name(key)} = t.{database.name(key)}" for key in self.config.key)
        came_back = existing(self.config.query, "q", same)
        told: set[str] = set()
        for row in database.rows(selected(self.config.tombstones, "t", f"NOT {came_back}"), {}):
            external_id = self._id(row, "tombstones")
            if external_id not in seen and external_id not in told:
                told.add(external_id)
                self._count(len(told))
                yield Deleted(external_id)

    # -- a row --

    def _id(self, row: Row, field: str) -> str:
        external_id = id_of(row, self.config.key)
        if external_id is None:
            raise BadConfig("A row has no key, or one that is no text, number, date or UUID", field=f"config.{field}")
        return external_id

    def _name(self, row: Row, seen: set[str]) -> str:
        external_id = self._id(row, "key")
        if external_id in seen:
            raise BadConfig(f"Two rows have the key {external_id!r}", field="config.key")
        seen.add(external_id)
        self._count(len(seen))
        return external_id

    def _count(self, rows: int) -> None:
        if rows > self.config.max_rows:
            raise BadConfig(f"There are more than {self.config.max_rows:,} rows", field="config.max_rows")

    def _is_gone(self, row: Row) -> bool:
        return self.config.deleted is not None and bool(row[self.config.deleted])

    def _change(self, row: Row, external_id: str, grants: Grants) -> Upsert | Deleted | Refused:
        if self._is_gone(row):
            return Deleted(external_id)
        if not external_id.isprintable():
            return Refused(external_id.encode("unicode_escape").decode(), "unreadable_name", "The key is not text")
        try:
            title = " ".join(self._title.render(row).split())[:_MAX_TITLE]
            body = self._body.render(row).encode("utf-8", "replace")
            uri = self._uri.render(row, lambda text: quote(text, safe="")) or f"urn:vouch:sql:{quote(external_id)}"
            modified_at = _time(row[self.config.modified_at]) if self.config.modified_at is not None else None
        except ValueError as error:
            return Refused(external_id, "unreadable", f"It cannot be read: {error}")
        if len(body) > self.config.max_row_kb << 10:
            return Refused(external_id, "too_large", self._too_large)
        return Upsert(
            external_id=external_id,
            title=title,
            uri=uri,
            fingerprint=hashlib.sha256(title.encode("utf-8", "replace") + b"\0" + body).hexdigest(),
            acl=self._acl(row, external_id, grants),
            mime=MIME,
            owner=self._owner(row),
            modified_at=modified_at,
        )

    @property
    def _too_large(self) -> str:
        return f"Its text is larger than {self.config.max_row_kb:,} KiB"

    def _acl(self, row: Row, external_id: str, grants: Grants) -> SourceAcl:
        """The declared clauses and the row's own. One that should say who may read it and does not closes it."""
        declared = raw(self.config.access, "config.access")
        own: RawClause | None
        if self.config.access_query is not None:
            own = grants.clause(external_id)
        elif self.config.access_column is not None:
            own = column_clause(row, self.config.access_column, self.config.deny_column)
        else:
            return declared
        return None if own is None else (*(declared or ()), own)

    def _owner(self, row: Row) -> str | None:
        given = row[self.config.owner_column] if self.config.owner_column is not None else None
        try:
            return owner(given) if isinstance(given, str) else None
        except ValueError:
            return None  # never a guess: the owner of the source stands in


def _time(value: object) -> datetime | None:
    """A column's value as a time, in UTC unless it says otherwise. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError("modified_at is no time")  # noqa: TRY004  (one row's fault, told with its key)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
