"""`/v1/reports/staleness/group`: how the documents of a group stand, for who looks after it (scope reports); and who
that is (scope directory)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from acl.audit import record, record_reading
from acl.managers import change_managers, managers
from ingestion.api.reports import HEADERS, Moment, ReportsCaller
from ingestion.api.requests import DirectoryCaller, Id, ServicesDep, possible
from ingestion.reports.delimited import group_as_csv
from ingestion.reports.group import GroupReport, OwnerCounts, Used, group_report
from ingestion.reports.html import group_as_html
from ingestion.schemas import Input, PrincipalText
from vouch.core.errors import AccessIncomplete, Forbidden, InvalidInput, NotFound
from vouch.core.freshness import State
from vouch.core.types import Json, principal_name
from vouch.serving.responses import problems

router = APIRouter()


class UsedDocument(BaseModel):
    """What is null may not be told: the manager may not read the document, or the request acts for nobody."""

    document_id: str | None
    external_id: str | None
    title: str | None
    uri: str | None
    state: State
    questions: int = Field(description="Whose answers cited it in the last 30 days.")
    people: int = Field(description="Who asked them.")

    @classmethod
    def of(cls, row: Used) -> Self:
        facts = asdict(row)
        return cls(**facts.pop("named"), **facts)


class OwnerReport(BaseModel):
    owner: str
    counts: dict[State, int] = Field(description="All that is theirs, by state.")
    to_look_at: int = Field(description="Expired, source_gone, stale, due and ownerless ones together.")
    quarantined: int
    most_used: list[UsedDocument] = Field(description="What should be looked at and is cited most; at most 5.")

    @classmethod
    def of(cls, row: OwnerCounts) -> Self:
        return cls(
            owner=row.owner,
            counts=dict(row.counts),
            to_look_at=row.to_look_at,
            quarantined=row.quarantined,
            most_used=[UsedDocument.of(one) for one in row.most_used],
        )


class GroupStaleness(BaseModel):
    """Who in the group owns what, in numbers."""

    group: str
    user: str | None = Field(description="Whom the request acts for; null: names are not told.")
    generated_at: Moment
    since: Moment = Field(description="Uses are counted from here.")
    owners: list[OwnerReport] = Field(description="The group and who is in it, those that own something; at most 500.")
    owners_in_all: int

    @classmethod
    def of(cls, report: GroupReport) -> Self:
        return cls(
            group=report.group,
            user=report.user,
            generated_at=report.at,
            since=report.since,
            owners=[OwnerReport.of(one) for one in report.owners],
            owners_in_all=report.owners_in_all,
        )


class ManagersIn(Input):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"add": ["user:dave"], "remove": ["user:erin"]}]}
    )

    add: Annotated[list[PrincipalText], Field(max_length=1000)] = []
    remove: Annotated[list[PrincipalText], Field(max_length=1000)] = []


class Managers(BaseModel):
    managers: list[str] = Field(examples=[["user:dave"]])


class ManagersCount(BaseModel):
    managers_in_all: int


_EXAMPLE: Json = {
    "group": "group:people-team",
    "user": "user:dave",
    "generated_at": "2026-11-21T09:00:00Z",
    "since": "2026-10-22T09:00:00Z",
    "owners": [
        {
            "owner": "user:carol",
            "counts": {
                "fresh": 41,
                "ownerless": 0,
                "due": 3,
                "stale": 1,
                "source_gone": 0,
                "expired": 0,
                "superseded": 1,
            },
            "to_look_at": 4,
            "quarantined": 1,
            "most_used": [
                {
                    "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
                    "external_id": "hr/parental-leave.md",
                    "title": "Parental leave",
                    "uri": "https://files.example.org/handbook/hr/parental-leave.md",
                    "state": "stale",
                    "questions": 17,
                    "people": 9,
                }
            ],
        }
    ],
    "owners_in_all": 1,
}
_TEXT: Json = {"schema": {"type": "string"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/csv": {**_TEXT, "example": '"section","owner",…'},
            "text/html": {**_TEXT, "example": "<!DOCTYPE html>…"},
        }
    }
}


@router.get(
    "/reports/staleness/group",
    tags=["reports"],
    response_model=GroupStaleness,
    responses={**problems(Forbidden, NotFound, InvalidInput, AccessIncomplete), **_RESPONSES},
)
def get_group(
    caller: ReportsCaller,
    services: ServicesDep,
    response: Response,
    group: Annotated[str, Query(max_length=200, examples=["group:people-team"]), AfterValidator(possible)],
    format: Literal["json", "csv", "html"] = "json",
) -> GroupStaleness | Response:
    """How much of what a group's people own should be looked at, owner by owner.

    For a manager of the group who acts for themselves: numbers of all, and by name what they may read today. Acting
    for nobody: numbers, and no names.
    """
    named = principal_name(group, kind="group", field="group")
    with services.catalog.reading(caller.tenant) as session:
        report = group_report(session, caller, named)
    if report.epoch is not None:
        told = {"documents": report.told, "epoch": report.epoch, "group": named}
        record_reading(services.catalog, caller, "report.group", named, told)
    if format == "json":
        response.headers.update(HEADERS)
        return GroupStaleness.of(report)
    if format == "csv":
        return Response(group_as_csv(report), media_type="text/csv; charset=utf-8", headers=HEADERS)
    return Response(group_as_html(report), media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get(
    "/directory/groups/{group_id:path}/managers",
    tags=["directory"],
    responses=problems(Forbidden, InvalidInput, NotFound),
)
def get_managers(group_id: Id, caller: DirectoryCaller, services: ServicesDep) -> Managers:
    """Who may see how the documents of a group stand."""
    with services.catalog.reading(caller.tenant) as session:
        return Managers(managers=managers(session, caller.tenant, f"group:{group_id}"))


@router.post(
    "/directory/groups/{group_id:path}/managers",
    tags=["directory"],
    responses=problems(Forbidden, InvalidInput, NotFound),
)
def post_managers(group_id: Id, body: ManagersIn, caller: DirectoryCaller, services: ServicesDep) -> ManagersCount:
    """Add and remove managers, who are users. It gives nobody anything to read."""
    group = f"group:{group_id}"
    with services.catalog.transaction(caller.tenant) as session:
        found = change_managers(session, caller.tenant, group, add=body.add, remove=body.remove)
        record(session, caller, "group.managers", group, {"managers": found})
    return ManagersCount(managers_in_all=len(found))
