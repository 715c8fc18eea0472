"""Column shapes that recur in the tables."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

# SQLModel passes any SQLAlchemy type through, though its annotation asks for a class.
_MOMENT = cast(Any, sa.DateTime(timezone=True))
_TEXTS = cast(Any, ARRAY(sa.Text))
_OPTIONAL_JSON = cast(Any, JSONB(none_as_null=True))


def moment(*, nullable: bool = False, now: bool = False) -> Any:
    """A UTC timestamp; ``now`` lets PostgreSQL fill it in."""
    default: dict[str, Any] = {"default": None} if nullable or now else {}
    filled: dict[str, Any] = {"server_default": sa.func.now()} if now else {}
    return Field(**default, sa_type=_MOMENT, nullable=nullable, sa_column_kwargs=filled)


def json_object() -> Any:
    return Field(default_factory=dict, sa_type=JSONB, nullable=False, sa_column_kwargs={"server_default": "{}"})


def json_list() -> Any:
    return Field(default_factory=list, sa_type=JSONB, nullable=False, sa_column_kwargs={"server_default": "[]"})


def optional_json() -> Any:
    return Field(default=None, sa_type=_OPTIONAL_JSON, nullable=True)


def texts() -> Any:
    """A ``text[]``, never null."""
    return Field(default_factory=list, sa_type=_TEXTS, nullable=False, sa_column_kwargs={"server_default": "{}"})


def big(default: int | None = None, *, nullable: bool = False) -> Any:
    return Field(default=default, sa_type=sa.BigInteger, nullable=nullable)


def within(columns: list[str], target: str, *, cascade: bool = True) -> sa.ForeignKeyConstraint:
    """A foreign key from (tenant, id) to (tenant, id): no row can point into another tenant."""
    return sa.ForeignKeyConstraint(
        ["tenant_id", *columns], [f"{target}.tenant_id", f"{target}.id"], ondelete="CASCADE" if cascade else None
    )
