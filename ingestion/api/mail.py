"""`/v1/mail`: where a user's reports go and whether they want them. `/v1/reports/schedule` and `/deliveries`: when
reports go out, and what became of each (scope admin)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from acl.audit import record
from acl.caller import Asker, asking
from ingestion.api.requests import (
    AdminCaller,
    Cursor,
    DirectoryCaller,
    Id,
    Limit,
    ServicesDep,
    decode_cursor,
    encode_cursor,
    possible,
)
from ingestion.mail.deliveries import State, Wanted, deliveries, revive
from ingestion.mail.recipients import Standing, ask_address, forget_address, give_address, standing, subscribe
from ingestion.mail.schedule import schedule_of, send_now, set_schedule
from ingestion.schemas import Input, PrincipalText
from ingestion.services import Services
from vouch.catalog.tables import ReportDelivery, ReportSchedule
from vouch.core.clock import rfc3339
from vouch.core.errors import ActsForNobody, Conflict, Forbidden, InvalidInput, NotFound
from vouch.core.types import principal_name
from vouch.serving.responses import problems

router = APIRouter(tags=["mail"])
Asking = Annotated[Asker, Depends(asking)]
_OWN = problems(Forbidden, ActsForNobody, InvalidInput, NotFound)
_DIRECTORY = problems(Forbidden, InvalidInput, NotFound)
_ADMIN = problems(Forbidden, InvalidInput, NotFound, Conflict)
AddressText = Annotated[str, Field(min_length=1, max_length=254, examples=["carol@example.org"])]


class AddressIn(Input):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"address": "carol@example.org"}]})

    address: AddressText


class GivenAddressIn(Input):
    """null: none at all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"address": "carol@example.org"}]})

    address: AddressText | None


class SubscriptionIn(Input):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"subscribed": False}]})

    subscribed: bool | None = Field(description="null: as the tenant's schedule has it.")


class ScheduleIn(Input):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"schedule": "0 7 * * 1", "send_to": ["group:people-team"]}]}
    )

    schedule: Annotated[str, Field(max_length=100)] | None = Field(
        description="`7d`, or a cron expression of five fields in UTC; null: none are sent."
    )
    send_to: Annotated[list[PrincipalText], Field(max_length=1000)] = Field(
        [], description="Who gets reports unless they say otherwise: users, groups, or `authenticated`."
    )


class RecipientIn(Input):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": "user:carol"}]})

    user: PrincipalText


class RetryIn(Input):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": "user:carol"}]})

    user: PrincipalText | None = Field(None, description="Of this user alone.")


class MailOut(BaseModel):
    address: str | None = Field(description="Where reports go.")
    set_by: Literal["administrator", "person"] | None
    pending: str | None = Field(description="Named by the user, and not confirmed yet: nothing goes there.")
    subscribed: bool | None = Field(description="What the user said; null: as the tenant's schedule has it.")
    receives: bool = Field(description="Whether reports are sent to them: wanted, active, and with an address.")
    schedule: str | None
    next_at: str | None

    @classmethod
    def of(cls, found: Standing) -> Self:
        return cls(
            address=found.address,
            set_by=found.set_by,
            pending=found.pending,
            subscribed=found.said,
            receives=found.receives,
            schedule=found.schedule,
            next_at=rfc3339(found.next_at),
        )


class ScheduleOut(BaseModel):
    schedule: str | None
    send_to: list[str]
    next_at: str | None
    mail_server: bool = Field(description="Whether one is set; without it nothing is sent.")

    @classmethod
    def of(cls, row: ReportSchedule, services: Services) -> Self:
        return cls(
            schedule=row.schedule,
            send_to=row.send_to,
            next_at=rfc3339(row.next_at),
            mail_server=services.desk is not None,
        )


class DeliveryOut(BaseModel):
    id: str
    user: str
    kind: Literal["report", "confirm"] = Field(description="`confirm`: asks whether an address is theirs.")
    due_at: str | None
    state: State
    attempts: int
    handed_over: int = Field(
        description="How often the server may have taken it; 2 means that there can be two copies."
    )
    next_try: str | None
    ended_at: str | None
    problem: dict[str, str] | None = Field(description="Why the last try failed, or none was made: `reason`, `detail`.")

    @classmethod
    def of(cls, row: ReportDelivery) -> Self:
        return cls(
            id=row.id,
            user=row.user_id,
            kind=row.kind,
            due_at=rfc3339(row.period),
            state=row.state,
            attempts=row.attempts,
            handed_over=row.handed,
            next_try=rfc3339(row.not_before) if row.state == "waiting" else None,
            ended_at=rfc3339(row.ended_at),
            problem=row.problem,
        )


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryOut]
    next_cursor: str | None


class Count(BaseModel):
    deliveries: int


def _possible(text: str | None) -> str | None:
    return None if text is None else possible(text)


def _require_server(services: Services) -> None:
    if services.desk is None:
        raise Conflict("No mail is sent from here: VOUCH_SMTP_HOST is not set.")


# --- one's own ------------------------------------------------------------------------------------------------------


@router.get("/mail", responses=_OWN)
def get_mail(asker: Asking, services: ServicesDep) -> MailOut:
    """Where the user's reports go, and whether they get any."""
    with services.catalog.reading(asker.tenant) as session:
        return MailOut.of(standing(session, asker.tenant, asker.user))


@router.put("/mail/address", responses=problems(Forbidden, ActsForNobody, InvalidInput, NotFound, Conflict))
def put_address(body: AddressIn, asker: Asking, services: ServicesDep) -> MailOut:
    """Name an address. A message asks there first; until its link is followed nothing else is sent to it."""
    _require_server(services)
    with services.catalog.transaction(asker.tenant) as session:
        ask_address(session, asker.tenant, asker.user, body.address)
        record(session, asker, "mail.address", asker.user, {"asked": True})
        return MailOut.of(standing(session, asker.tenant, asker.user))


@router.delete("/mail/address", responses=_OWN)
def delete_address(asker: Asking, services: ServicesDep) -> MailOut:
    """Forget the user's address, whoever set it, and one that waits to be confirmed."""
    with services.catalog.transaction(asker.tenant) as session:
        forget_address(session, asker.tenant, asker.user)
        record(session, asker, "mail.address", asker.user, {"set": False})
        return MailOut.of(standing(session, asker.tenant, asker.user))


@router.put("/mail/subscription", responses=_OWN)
def put_subscription(body: SubscriptionIn, asker: Asking, services: ServicesDep) -> MailOut:
    """Get reports, or none, whatever the tenant's schedule says."""
    with services.catalog.transaction(asker.tenant) as session:
        subscribe(session, asker.tenant, asker.user, body.subscribed)
        record(session, asker, "mail.subscription", asker.user, {"subscribed": body.subscribed})
        return MailOut.of(standing(session, asker.tenant, asker.user))


# --- an administrator's ---------------------------------------------------------------------------------------------


@router.get("/directory/users/{user_id:path}/mail", tags=["directory"], responses=_DIRECTORY)
def get_user_mail(user_id: Id, caller: DirectoryCaller, services: ServicesDep) -> MailOut:
    """Where somebody's reports go, and whether they get any."""
    with services.catalog.reading(caller.tenant) as session:
        return MailOut.of(standing(session, caller.tenant, f"user:{user_id}"))


@router.post("/directory/users/{user_id:path}/mail", tags=["directory"], responses=_DIRECTORY)
def post_user_mail(user_id: Id, body: GivenAddressIn, caller: DirectoryCaller, services: ServicesDep) -> MailOut:
    """Set somebody's address; it is believed. It is where mail goes, and never who they are."""
    user = f"user:{user_id}"
    with services.catalog.transaction(caller.tenant) as session:
        give_address(session, caller.tenant, user, body.address)
        record(session, caller, "mail.address", user, {"set": body.address is not None})
        return MailOut.of(standing(session, caller.tenant, user))


@router.get("/reports/schedule", tags=["reports"], responses=problems(Forbidden))
def get_schedule(caller: AdminCaller, services: ServicesDep) -> ScheduleOut:
    """When reports are sent, and to whom unless they say otherwise."""
    with services.catalog.reading(caller.tenant) as session:
        return ScheduleOut.of(schedule_of(session, caller.tenant), services)


@router.put("/reports/schedule", tags=["reports"], responses=problems(Forbidden, InvalidInput))
def put_schedule(body: ScheduleIn, caller: AdminCaller, services: ServicesDep) -> ScheduleOut:
    """Say when reports are sent, and to whom. Who said that they want none gets none."""
    with services.catalog.transaction(caller.tenant) as session:
        row = set_schedule(session, caller.tenant, body.schedule, body.send_to)
        record(session, caller, "reports.schedule", "report:staleness", {"schedule": row.schedule, "to": row.send_to})
        return ScheduleOut.of(row, services)


@router.get("/reports/deliveries", tags=["reports"], responses=_ADMIN)
def get_deliveries(
    caller: AdminCaller,
    services: ServicesDep,
    state: State | None = None,
    user: Annotated[str | None, Query(max_length=200), AfterValidator(_possible)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeliveryPage:
    """What became of each message, newest first. No address and no title is in it."""
    named = None if user is None else principal_name(user, kind="user", field="user")
    before = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        rows = deliveries(session, caller.tenant, Wanted(state, named), limit=limit + 1, before=before)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return DeliveryPage(deliveries=[DeliveryOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.post("/reports/deliveries", tags=["reports"], status_code=202, responses=_ADMIN)
def post_delivery(body: RecipientIn, caller: AdminCaller, services: ServicesDep) -> Count:
    """Send one user their report now, should there be anything in it."""
    user = principal_name(body.user, kind="user", field="user")
    _require_server(services)
    with services.catalog.transaction(caller.tenant) as session:
        send_now(session, caller.tenant, user)
    return Count(deliveries=1)


@router.post("/reports/deliveries/retry", tags=["reports"], status_code=202, responses=_ADMIN)
def retry_deliveries(body: RetryIn, caller: AdminCaller, services: ServicesDep) -> Count:
    """Try again what was given up (`dead`), with fresh attempts."""
    user = None if body.user is None else principal_name(body.user, kind="user", field="user")
    with services.catalog.transaction(caller.tenant) as session:
        return Count(deliveries=revive(session, caller.tenant, user))
