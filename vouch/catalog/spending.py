"""Money and tokens that go to models: set aside before a call, settled after it, and summed up by who caused it.

What a call may cost at most is taken from every budget that it falls under, in one transaction: the row of a budget's
period is locked by the first, so two calls cannot both take what is left for one. What was set aside and not used is
given back when the call ends. A process that dies in between leaves it taken, so that too little is spent and never too
much, until another finds the call :func:`abandoned` and settles it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core import clock

Scope = Literal["tenant", "group", "user", "key", "workflow"]
Period = Literal["day", "month"]
By = Literal["total", "user", "key", "group", "workflow", "model", "outcome", "day", "month"]
OPEN = "open"
"""Outcome of a call that is under way, or whose process died."""
DIED = "died"
"""Outcome of a call whose process did, as far as anybody can tell."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Who causes a call. ``groups``: all that the asker belongs to, through others too."""

    tenant: str
    user: str
    key: str
    groups: tuple[str, ...]
    workflow: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens read and written, and what they cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    money: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Held:
    """What is set aside for one call, and the budgets and periods that it was taken from. ``over``: soft budgets that
    are exceeded with it."""

    call_id: str
    amount: Amount
    taken: tuple[tuple[str, date], ...]
    over: tuple[str, ...]


class OverBudget(Exception):
    """A hard budget has not enough left. ``scope`` is its kind, ``budget_id`` its id."""

    def __init__(self, budget_id: str, scope: str) -> None:
        super().__init__(f"budget {budget_id} of a {scope}")
        self.budget_id, self.scope = budget_id, scope


# In the order of ids, so that two calls that fall under the same budgets never wait for each other in a circle.
_BUDGETS = sa.text(
    """
    SELECT id, scope, period, tokens, money, hard, created_at FROM budget
    WHERE tenant_id = :tenant AND (
        scope = 'tenant' OR (scope = 'user' AND subject = :user) OR (scope = 'key' AND subject = :key)
        OR (scope = 'workflow' AND subject = :workflow) OR (scope = 'group' AND subject = ANY(CAST(:groups AS text[])))
    ) ORDER BY id
    """
)
_TAKE = sa.text(
    """
    INSERT INTO budget_spend (tenant_id, budget_id, began, tokens, money)
    VALUES (:tenant, :budget, :began, :tokens, :money)
    ON CONFLICT (tenant_id, budget_id, began)
    DO UPDATE SET tokens = budget_spend.tokens + excluded.tokens, money = budget_spend.money + excluded.money
    RETURNING tokens, money
    """
)
_CALL = sa.text(
    """
    INSERT INTO model_call (tenant_id, id, user_id, key_id, groups, workflow, model, outcome, input_tokens,
        output_tokens, cost, currency, trace_id)
    VALUES (:tenant, :id, :user, :key, :groups, :workflow, :model, :outcome, :input, :output, :cost, :currency, :trace)
    """
)
_SETTLE_CALL = sa.text(
    """
    UPDATE model_call SET outcome = :outcome, input_tokens = :input, output_tokens = :output, cost = :cost
    WHERE tenant_id = :tenant AND id = :id
    """
)
_LEFT_OPEN = sa.text(
    """
    SELECT c.tenant_id, c.id, c.at, c.user_id, c.key_id, c.groups, c.workflow, c.model, c.input_tokens,
        c.output_tokens, c.cost
    FROM tenant t JOIN model_call c ON c.tenant_id = t.id AND c.at >= :since AND c.at < :before
    WHERE c.outcome = 'open' ORDER BY c.tenant_id, c.id FOR UPDATE OF c SKIP LOCKED
    """
)
_SETTLE_BUDGET = sa.text(
    """
    UPDATE budget_spend SET tokens = tokens + :tokens, money = money + :money
    WHERE tenant_id = :tenant AND budget_id = :budget AND began = :began
    """
)


def hold(session: Session, payer: Payer, call_id: str, model: tuple[str, str], most: Amount) -> Held:
    """Set aside what the call may cost at most. ``model``: its name, and the currency of its price.

    Raises :class:`OverBudget`; then nothing is set aside once the transaction is rolled back.
    """
    whose = {"tenant": payer.tenant, "user": payer.user, "key": payer.key, "workflow": payer.workflow}
    budgets = session.execute(_BUDGETS, {**whose, "groups": list(payer.groups)}).all()
    taken, over = list[tuple[str, date]](), list[str]()
    for budget in budgets:
        began = beginning(budget.period, clock.now())
        spent = session.execute(
            _TAKE,
            {"tenant": payer.tenant, "budget": budget.id, "began": began, "tokens": most.tokens, "money": most.money},
        ).one()
        if _exceeds(spent.tokens, budget.tokens) or _exceeds(spent.money, budget.money):
            if budget.hard:
                raise OverBudget(budget.id, budget.scope)
            over.append(budget.id)
        taken.append((budget.id, began))
    name, currency = model
    row = {**whose, "id": call_id, "groups": list(payer.groups), "model": name, "outcome": OPEN, "currency": currency}
    session.execute(_CALL, {**row, **_amount(most), "trace": payer.trace_id})
    return Held(call_id, most, tuple(taken), tuple(over))


def settle(session: Session, tenant: str, held: Held, outcome: str, spent: Amount) -> None:
    """Replace what was set aside by what was spent."""
    session.execute(_SETTLE_CALL, {"tenant": tenant, "id": held.call_id, "outcome": outcome, **_amount(spent)})
    more = {"tokens": spent.tokens - held.amount.tokens, "money": spent.money - held.amount.money}
    for budget_id, began in held.taken:
        session.execute(_SETTLE_BUDGET, {"tenant": tenant, "budget": budget_id, "began": began, **more})


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A call that nobody will settle, and what is still set aside for it."""

    tenant: str
    model: str
    held: Held


def abandoned(session: Session, since: datetime, before: datetime) -> Sequence[Abandoned]:
    """Calls begun from ``since`` to ``before`` that are open still, of all tenants that the session sees; locked, less
    those that another settles now. They fell under the budgets that there were by then."""
    rows = session.execute(_LEFT_OPEN, {"since": since, "before": before}).all()
    return [Abandoned(row.tenant_id, row.model, _held(session, row)) for row in rows]


def _held(session: Session, row: Any) -> Held:
    whose = {"tenant": row.tenant_id, "user": row.user_id, "key": row.key_id, "workflow": row.workflow}
    budgets = session.execute(_BUDGETS, {**whose, "groups": list(row.groups)}).all()
    taken = tuple((one.id, beginning(one.period, row.at)) for one in budgets if one.created_at <= row.at)
    return Held(row.id, Amount(row.input_tokens, row.output_tokens, row.cost), taken, ())


def beginning(period: Period, now: datetime) -> date:
    """The first day, in UTC, of the period that ``now`` is in."""
    return now.date() if period == "day" else now.date().replace(day=1)


_COLUMNS: Mapping[By, str] = {
    "total": "''",
    "user": "c.user_id",
    "key": "c.key_id",
    "group": "g.name",
    "workflow": "coalesce(c.workflow, '')",
    "model": "c.model",
    "outcome": "c.outcome",
    "day": "to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "month": "to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM')",
}
assert set(_COLUMNS) == set(get_args(By))


def usage(session: Session, tenant: str, by: By, since: datetime, until: datetime) -> Sequence[Any]:
    """Rows of ``value``, ``currency``, ``calls``, ``input_tokens``, ``output_tokens``, ``cost``, of calls from
    ``since`` (inclusive) to ``until`` (exclusive). Of ``group`` a call counts in each group that its asker was in."""
    each_group = "CROSS JOIN LATERAL unnest(c.groups) AS g(name)" if by == "group" else ""
    summed = f"""
        SELECT {_COLUMNS[by]} AS value, c.currency, count(*) AS calls, sum(c.input_tokens)::bigint AS input_tokens,
            sum(c.output_tokens)::bigint AS output_tokens, sum(c.cost) AS cost
        FROM model_call c {each_group}
        WHERE c.tenant_id = :tenant AND c.at >= :since AND c.at < :until
        GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 - constants, no input
    return session.execute(sa.text(summed), {"tenant": tenant, "since": since, "until": until}).all()


def _exceeds(spent: Any, limit: Any) -> bool:
    return limit is not None and spent > limit


def _amount(amount: Amount) -> dict[str, Any]:
    return {"input": amount.input_tokens, "output": amount.output_tokens, "cost": amount.money}
