"""What calls of models cost, who caused them, and how much may be spent."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, moment, texts, within

MONEY: Any = cast(Any, sa.Numeric(20, 10))
"""Ten decimals: a token may cost a ten-millionth."""


def _money(*, nullable: bool = False) -> Any:
    return Field(default=None if nullable else Decimal(0), sa_type=MONEY, nullable=nullable)


class ModelCall(SQLModel, table=True):
    """One call of a chat model. ``groups``: those of its asker at that time. ``outcome``: ``wrote``, ``abstained``, why
    it failed, ``died`` where its process did, or ``open`` while it is under way; tokens and ``cost`` are then what was
    set aside for it."""

    __tablename__ = "model_call"
    __table_args__ = (sa.Index("model_call_at", "tenant_id", "at"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    at: datetime | None = moment(now=True)
    user_id: str
    key_id: str
    groups: list[str] = texts()
    workflow: str | None = None
    model: str
    outcome: str
    input_tokens: int = big(0)
    output_tokens: int = big(0)
    cost: Decimal = _money()
    currency: str = "USD"
    trace_id: str | None = None


class Budget(SQLModel, table=True):
    """How many tokens, how much money or both may go to models in a ``period`` (day or month, UTC) for a ``scope``:
    all of the tenant, or one group, user, key or workflow (``subject``). Hard ones stop calls, soft ones
    are told of."""

    __tablename__ = "budget"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "scope", "subject", "period", "hard"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    scope: str
    subject: str = ""
    period: str
    tokens: int | None = big(nullable=True)
    money: Decimal | None = _money(nullable=True)
    hard: bool
    created_at: datetime | None = moment(now=True)


class BudgetSpend(SQLModel, table=True):
    """What of a budget is gone in the period that began on a day, what is set aside for calls under way included."""

    __tablename__ = "budget_spend"
    __table_args__ = (within(["budget_id"], "budget"),)
    tenant_id: str = Field(primary_key=True)
    budget_id: str = Field(primary_key=True)
    began: date = Field(primary_key=True)
    tokens: int = big(0)
    money: Decimal = _money()
