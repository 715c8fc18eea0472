"""The external id of a row: the values of its key, as text, joined by slashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from urllib.parse import unquote
from uuid import UUID

from connectors.sql.template import Row
from vouch.core.errors import NotFound


def id_of(row: Row, key: Sequence[str]) -> str | None:
    """None when a value is missing, or of a kind that is not written the same way each time."""
    parts = [_part(row.get(column)) for column in key]
    return None if None in parts else "/".join(part for part in parts if part is not None)


def values_of(external_id: str, columns: int) -> list[str]:
    """The values again, as text: the database makes of each what its column is. Raises :class:`NotFound`."""
    parts = external_id.split("/")
    if len(parts) != columns or "\0" in external_id:
        raise NotFound()
    return [unquote(part) for part in parts]


def _part(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | UUID | date | Decimal):
        return None
    return str(value).replace("%", "%25").replace("/", "%2F") or None
