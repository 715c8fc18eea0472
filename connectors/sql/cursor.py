"""How far a scan came: a value of the cursor column, with its kind, as JSON."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from vouch.core.errors import BadConfig
from vouch.core.types import Json


def to_cursor(value: Any) -> Json:
    """Raises :class:`BadConfig` for a value of a kind that cannot be compared from one scan to the next."""
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return {"kind": type(value).__name__, "value": value}
    if isinstance(value, datetime | date):
        return {"kind": "datetime" if isinstance(value, datetime) else "date", "value": value.isoformat()}
    if isinstance(value, Decimal):
        return {"kind": "Decimal", "value": str(value)}
    raise BadConfig("The cursor column must hold times, dates, whole numbers or texts", field="config.cursor")


def from_cursor(cursor: Json, column: str | None, overlap: int) -> Any:
    """The value to go on from: ``overlap`` before the one that was reached. None: there is none."""
    kind, value = cursor.get("kind"), cursor.get("value")
    if column is None or value is None:
        return None
    try:
        match kind:
            case "datetime":
                return datetime.fromisoformat(str(value)) - timedelta(seconds=overlap)
            case "date":
                return date.fromisoformat(str(value)) - timedelta(days=-(-overlap // 86400))
            case "Decimal":
                return Decimal(str(value)) - overlap
            case "int":
                return int(value) - overlap
            case "str":
                return str(value)
    except (ValueError, ArithmeticError):
        pass
    return None
