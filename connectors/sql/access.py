"""Who may read a row, by a column of it or by a second query. An entry that names nobody never widens access."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.sql.config import SqlConfig
from connectors.sql.database import Reading, existing, selected
from connectors.sql.key import id_of
from connectors.sql.template import Row
from vouch.core.errors import BadConfig
from vouch.core.types import Json, RawClause

_GRANTS_A_ROW = 50
"""Rows of the second query for each row that is allowed, on average."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What the second query says, by external id."""

    allow: Mapping[str, list[str]] = field(default_factory=dict)
    deny: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, database: Reading, config: SqlConfig, since: tuple[str, Json]) -> Grants:
        """Only of rows that fit ``since``, a condition on ``q`` and its values."""
        if config.access_query is None:
            return cls()
        columns = database.columns(config.access_query)
        for column in (*config.key, "principal"):
            if column not in columns:
                said = f"It gives no column {column!r}; it gives {', '.join(columns)}"
                raise BadConfig(said, field="config.access_query")
        sides: tuple[defaultdict[str, list[str]], ...] = defaultdict(list), defaultdict(list)
        condition, values = since
        if condition:
            same = " AND ".join(f"q.{database.name(key)} = a.{database.name(key)}" for key in config.key)
            condition = existing(config.query, "q", f"{same} AND {condition}")
        for n, row in enumerate(database.rows(selected(config.access_query, "a", condition), values), start=1):
            if n > config.max_rows * _GRANTS_A_ROW:
                raise BadConfig(f"It gives more than {n - 1:,} rows", field="config.access_query")
            external_id = id_of(row, config.key)
            denied = bool(row.get("deny"))
            if external_id is None or (row["principal"] is None and not denied):
                continue
            sides[denied][external_id].append(str(row["principal"]))
        return cls(*sides)

    def clause(self, external_id: str) -> RawClause | None:
        """None: nobody is named."""
        allow, deny = self.allow.get(external_id, ()), self.deny.get(external_id, ())
        return RawClause(tuple(sorted(allow)), tuple(sorted(deny)), "config.access_query") if allow else None


def column_clause(row: Row, allow: str, deny: str | None) -> RawClause | None:
    """None: nobody is named."""
    allowed, denied = _entries(row[allow]), _entries(row[deny]) if deny is not None else ()
    return RawClause(allowed, denied, "config.access_column") if allowed else None


def _entries(value: object) -> tuple[str, ...]:
    """A list as databases hold one: an array, JSON, or text with commas. What is none of these names nobody."""
    if value is None:
        return ()
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return (str(value),)
    if isinstance(value, str):
        return tuple(entry.strip() for entry in value.split(",") if entry.strip())
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)
