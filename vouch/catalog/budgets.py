"""Budgets for models: which there are, and what of each is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.spending import Period, Scope, beginning
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.ids import new_id

# The spending of a period that is over stays for who reads the table; a budget shows that of now.
_LIST = sa.text(
    """
    SELECT b.id, b.scope, b.subject, b.period, b.tokens, b.money, b.hard,
        coalesce(s.tokens, 0) AS spent_tokens, coalesce(s.money, 0) AS spent_money
    FROM budget b LEFT JOIN budget_spend s ON s.tenant_id = b.tenant_id AND s.budget_id = b.id
        AND s.began = CASE b.period WHEN 'day' THEN CAST(:day AS date) ELSE CAST(:month AS date) END
    WHERE b.tenant_id = :tenant AND (CAST(:id AS text) IS NULL OR b.id = :id)
    ORDER BY b.scope, b.subject, b.period, b.id
    """
)
_PUT = sa.text(
    """
    INSERT INTO budget (tenant_id, id, scope, subject, period, tokens, money, hard)
    VALUES (:tenant, :id, :scope, :subject, :period, :tokens, :money, :hard)
    ON CONFLICT (tenant_id, scope, subject, period, hard)
    DO UPDATE SET tokens = excluded.tokens, money = excluded.money RETURNING id
    """
)
_DELETE = sa.text("DELETE FROM budget WHERE tenant_id = :tenant AND id = :id RETURNING id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """At least one of ``tokens`` and ``money`` is a number; the other one then has no limit."""

    scope: Scope
    subject: str
    period: Period
    tokens: int | None
    money: Decimal | None
    hard: bool


def listed(session: Session, tenant: str, budget_id: str | None = None) -> Sequence[Any]:
    """Rows of a budget and its ``spent_tokens`` and ``spent_money``, in the period of now."""
    now = clock.now()
    given = {"tenant": tenant, "id": budget_id, "day": beginning("day", now), "month": beginning("month", now)}
    return session.execute(_LIST, given).all()


def put(session: Session, tenant: str, wanted: Wanted) -> Any:
    """Make it, or change the one of the same scope, subject, period and kind; what is spent of that stays spent."""
    row = {"tenant": tenant, "id": new_id(), "scope": wanted.scope, "subject": wanted.subject, "period": wanted.period}
    limits = {"tokens": wanted.tokens, "money": wanted.money, "hard": wanted.hard}
    budget_id = session.execute(_PUT, {**row, **limits}).scalar_one()
    return listed(session, tenant, budget_id)[0]


def delete(session: Session, tenant: str, budget_id: str) -> None:
    """Raises :class:`NotFound`."""
    if session.execute(_DELETE, {"tenant": tenant, "id": budget_id}).first() is None:
        raise NotFound("There is no such budget.")
