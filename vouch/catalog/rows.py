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
    """Insert ``rows``, at least one, which all say the same columns of ``table``; ``unless_there`` leaves alone what is
    there."""
    name, columns = table.__tablename__, ", ".join(rows[0])
    given = f"json_populate_recordset(CAST(NULL AS {name}), CAST(:rows AS json))"
    otherwise = "ON CONFLICT DO NOTHING" if unless_there else ""
    # The names are those of the code, and what the rows say is a parameter.
    statement = sa.text(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {given} {otherwise}")  # noqa: S608
    session.execute(statement, {"rows": msgspec.json.encode(rows).decode()})
