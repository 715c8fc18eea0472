"""What models cost, and budgets for them (scope `admin`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Result


class UsageRow(Result):
    value: str
    currency: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class Usage(Result):
    by: str
    since: AwareDatetime
    until: AwareDatetime
    rows: tuple[UsageRow, ...]


class Budget(Result):
    """``spent_*``: in the period of now."""

    id: str
    scope: str
    subject: str
    period: str
    tokens: int | None
    money: Decimal | None
    hard: bool
    spent_tokens: int
    spent_money: Decimal


@dataclass(frozen=True, slots=True)
class Spending:
    """`/v1/usage` and `/v1/budgets`."""

    connection: Connection

    def usage(self, by: str = "total", *, since: datetime | None = None, until: datetime | None = None) -> Usage:
        """By total, user, key, group, workflow, model, outcome, day or month; of the last 30 days unless told."""
        return self.connection.get("/v1/usage", Usage, _query(by, since, until))

    def usage_csv(self, by: str = "total", *, since: datetime | None = None, until: datetime | None = None) -> str:
        return self.connection.text("/v1/usage", {**_query(by, since, until), "format": "csv"})

    def budgets(self) -> tuple[Budget, ...]:
        return self.connection.get("/v1/budgets", _Budgets).budgets

    def set_budget(
        self,
        scope: str,
        subject: str = "",
        *,
        period: str = "month",
        limits: tuple[int | None, Decimal | None],
        hard: bool = True,
    ) -> Budget:
        """``limits``: tokens and money. Changes the budget of the same scope, subject, period and kind."""
        tokens, money = limits
        body = {"scope": scope, "subject": subject, "period": period, "tokens": tokens, "hard": hard}
        body["money"] = None if money is None else f"{money:f}"
        return Budget.model_validate(self.connection.send("PUT", "/v1/budgets", body))

    def drop_budget(self, budget_id: str) -> None:
        self.connection.send("DELETE", f"/v1/budgets/{segment(budget_id)}")


class _Budgets(Result):
    budgets: tuple[Budget, ...]


def _query(by: str, since: datetime | None, until: datetime | None) -> dict[str, str | int | None]:
    return {
        "by": by,
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
    }
