"""What models cost, by who caused it, and how much may be spent (scope admin). Money and names, never content."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from acl.audit import record
from retrieval import examples
from retrieval.api.requests import ALWAYS, AdminCaller, Id, ServicesDep
from vouch.catalog import budgets, spending
from vouch.catalog.spending import By, Period, Scope
from vouch.core import clock, delimited
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.types import principal_name
from vouch.serving.responses import problems

router = APIRouter(tags=["spending"])
_LAST = timedelta(days=30)
_COUNTED = ("currency", "calls", "input_tokens", "output_tokens", "cost")
_USAGE = {
    "application/json": {"example": examples.USAGE},
    "text/csv": {"schema": {"type": "string"}, "example": '"user","currency","calls","input_tokens","output_tokens",…'},
}


class UsageRow(BaseModel):
    """``value``: what was grouped by; empty for the total, for calls without a workflow, and for the user and
    the key of shadows, which are nobody's."""

    value: str
    currency: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class Usage(BaseModel):
    by: By
    since: AwareDatetime
    until: AwareDatetime
    rows: list[UsageRow]


class BudgetIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"scope": "group", "subject": "group:sales", "period": "month", "money": "200", "hard": True}]
        },
    )

    scope: Scope
    subject: str = Field("", max_length=256, description="The group, user, key id or workflow; none for the tenant.")
    period: Period = "month"
    tokens: Annotated[int, Field(ge=0, le=10**15)] | None = None
    money: Annotated[Decimal, Field(ge=0, le=10**9)] | None = None
    hard: bool = Field(True, description="Stop calls that exceed it; otherwise they are told of.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.tokens is None and self.money is None:
            raise InvalidInput("Give a number of tokens, a sum of money, or both.", field="money")
        if (self.scope == "tenant") != (self.subject == ""):
            raise InvalidInput("The tenant's budget has no subject, every other has one.", field="subject")
        if self.scope in ("user", "group"):
            principal_name(self.subject, kind=self.scope, field="subject")
        return self


class Budget(BaseModel):
    """``spent_*``: in the period of now, what is set aside for calls under way included."""

    id: str
    scope: Scope
    subject: str
    period: Period
    tokens: int | None
    money: Decimal | None
    hard: bool
    spent_tokens: int
    spent_money: Decimal


class Budgets(BaseModel):
    budgets: list[Budget]


@router.get(
    "/usage",
    response_model=Usage,
    responses={**problems(*ALWAYS, InvalidInput), 200: {"content": _USAGE}},
    summary="What models cost",
)
def get_usage(
    caller: AdminCaller,
    services: ServicesDep,
    by: By = "total",
    since: Annotated[AwareDatetime | None, Query(description="Inclusive; 30 days before `until` unless given.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Exclusive; now unless given.")] = None,
    format: Literal["json", "csv"] = "json",
) -> Usage | Response:
    """Calls, tokens and money by who or what caused them. By `group` a call counts in each group of its asker's."""
    end: datetime = until or clock.now()
    begin: datetime = since or end - _LAST
    if begin >= end:
        raise InvalidInput("The time ends before it begins.", field="since")
    with services.catalog.reading(caller.tenant) as session:
        found = spending.usage(session, caller.tenant, by, begin, end)
    rows = [UsageRow.model_validate(row._mapping) for row in found]
    if format == "csv":
        told = ({by: row.value, **row.model_dump(exclude={"value"})} for row in rows)
        return Response(delimited.as_csv((by, *_COUNTED), told), media_type="text/csv; charset=utf-8")
    return Usage(by=by, since=begin, until=end, rows=rows)


@router.get(
    "/budgets",
    responses={**problems(*ALWAYS), **examples.of(examples.BUDGETS)},
    summary="Budgets, and what of each is spent",
)
def get_budgets(caller: AdminCaller, services: ServicesDep) -> Budgets:
    """Of the tenant, in the period of now."""
    with services.catalog.reading(caller.tenant) as session:
        found = budgets.listed(session, caller.tenant)
    return Budgets(budgets=[Budget.model_validate(row._mapping) for row in found])


@router.put(
    "/budgets",
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.BUDGETS["budgets"][0])},
    summary="Set a budget",
)
def put_budget(caller: AdminCaller, services: ServicesDep, body: BudgetIn) -> Budget:
    """Make it, or change the one of the same scope, subject, period and kind (hard or soft). It holds for the next
    call; what is spent of it stays spent."""
    limits = {"tokens": body.tokens, "money": None if body.money is None else f"{body.money:f}"}
    with services.catalog.transaction(caller.tenant) as session:
        wanted = budgets.Wanted(body.scope, body.subject, body.period, body.tokens, body.money, body.hard)
        made = budgets.put(session, caller.tenant, wanted)
        whose = {"scope": body.scope, "subject": body.subject, "period": body.period, "hard": body.hard}
        record(session, caller, "budget.set", f"budget:{made.id}", whose | limits)
    return Budget.model_validate(made._mapping)


@router.delete(
    "/budgets/{budget_id}", status_code=204, responses=problems(*ALWAYS, NotFound), summary="Take a budget away"
)
def delete_budget(caller: AdminCaller, services: ServicesDep, budget_id: Id) -> None:
    """What it limited is limited no more, with the next call."""
    with services.catalog.transaction(caller.tenant) as session:
        budgets.delete(session, caller.tenant, budget_id)
        record(session, caller, "budget.delete", f"budget:{budget_id}")
