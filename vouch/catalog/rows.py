"""Many rows of one table in one statement: one round trip, and nothing prepared row by row.

``COPY`` would be quicker still, and is not for tables with row-level security.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from vouch.core.types import Json


def insert_rows(session: Session, table: type[SQLModel], rows: Sequence[Json], *, unless_there: bool = False) -> None:
    """Insert ``rows``, each of which says every column of ``table``; ``unless_there`` leaves alone what is there."""
    name, otherwise = table.__tablename__, "ON CONFLICT DO NOTHING" if unless_there else ""
    given = f"json_populate_recordset(CAST(NULL AS {name}), CAST(:rows AS json))"
    # The names are the tables' own, and the rows are a parameter.
    statement = sa.text(f"INSERT INTO {name} SELECT * FROM {given} {otherwise}")  # noqa: S608
    session.execute(statement, {"rows": msgspec.json.encode(rows).decode()})
