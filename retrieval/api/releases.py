"""Which profile makes the answers, what is tried beside it, and how the two compare (scope admin). Names and figures,
never content."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from acl.audit import record
from retrieval import examples
from retrieval.api.requests import ALWAYS, AdminCaller, ServicesDep
from retrieval.profiles import comparison
from retrieval.profiles.serving import sound
from retrieval.profiles.shadow import WORKFLOW
from retrieval.schemas.requests import WORKFLOWS
from retrieval.schemas.responses import Moment
from retrieval.services import Services
from vouch.catalog import releases
from vouch.catalog.releases import EVERY, Named, State
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput
from vouch.serving.responses import problems

router = APIRouter(prefix="/releases", tags=["releases"])
_LAST = timedelta(days=30)
_LISTED = 200

Workflow = Annotated[str, Field(pattern=rf"{WORKFLOWS}|^$", description="Whose; empty: the whole tenant's.")]


class Share(BaseModel):
    """A profile, and for how many of a hundred conversations, or days of a user without one."""

    model_config = ConfigDict(extra="forbid")

    profile: Annotated[str, Field(max_length=64)]
    percent: int = Field(ge=1, le=100)


class ReleaseIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"stable": "routes", "canary": {"profile": "extractive", "percent": 10}}]},
    )

    workflow: Workflow = EVERY
    stable: Annotated[str, Field(max_length=64)] | None = Field(
        description="The profile that serves; null: none, and what holds for the tenant, or without any release, does."
    )
    canary: Share | None = Field(None, description="Serves some in its place.")
    shadow: Share | None = Field(None, description="Runs beside it and is never shown.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.workflow == WORKFLOW:
            raise InvalidInput(f"{WORKFLOW} is what shadows are accounted for under.", field="workflow")
        for role, one in (("canary", self.canary), ("shadow", self.shadow)):
            if one is not None and self.stable is None:
                raise InvalidInput(f"A {role} is tried beside a stable profile.", field="stable")
            if one is not None and one.profile == self.stable:
                raise InvalidInput(f"The {role} is the stable profile.", field=f"{role}.profile")
        return self


class RollbackIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"workflow": ""}]})

    workflow: Workflow = EVERY


class Release(BaseModel):
    """``sound``: whether each profile is configured as it was released. A stable one that is not serves nobody."""

    id: str
    workflow: str
    stable: str | None
    canary: Share | None
    shadow: Share | None
    sound: bool
    verb: Literal["set", "rollback"]
    by: str
    at: Moment

    @classmethod
    def of(cls, services: Services, row: Any) -> Self:
        state = releases.state_of(row)
        named = [one for one in (state.stable, state.canary, state.shadow) if one is not None]
        return cls(
            id=row.id,
            workflow=row.workflow,
            stable=row.stable,
            canary=_share(state.canary),
            shadow=_share(state.shadow),
            sound=all(sound(services, one) is not None for one in named),
            verb=row.verb,
            by=row.by,
            at=row.at,
        )


class ProfileTold(BaseModel):
    name: str
    digest: str
    says: dict[str, Any]


class Releases(BaseModel):
    """``profiles``: those that there are."""

    releases: list[Release]
    profiles: list[ProfileTold]


class History(BaseModel):
    releases: list[Release]


class Measured(BaseModel):
    """``difference``: the candidate's less the former's, with its 95 % interval; ``p``: how likely so much is by
    chance."""

    measure: Literal["abstained", "supported", "rejected", "cost", "ms", "helpful"]
    former: float
    candidate: float
    difference: float
    low: float
    high: float
    p: float


class Overlap(BaseModel):
    """The share of what both cite in what either does, with its 95 % interval."""

    mean: float
    low: float
    high: float


class Compared(BaseModel):
    kind: Literal["canary", "shadow"]
    former: str
    candidate: str
    answers: list[int] = Field(description="How many of each count, 1,000 at most, the newest.")
    enough: bool = Field(description="Whether there are 20 of each; with fewer no difference decides.")
    failed: int = Field(description="Shadows that came to nothing.")
    measures: list[Measured]
    overlap: Overlap | None

    @classmethod
    def of(cls, found: comparison.Comparison) -> Self:
        return cls(
            kind=found.kind,
            former=found.former,
            candidate=found.candidate,
            answers=list(found.answers),
            enough=found.enough,
            failed=found.failed,
            measures=[Measured(**asdict(one)) for one in found.measures],
            overlap=None
            if found.overlap is None
            else Overlap(mean=found.overlap.mean, low=found.overlap.low, high=found.overlap.high),
        )


class Comparisons(BaseModel):
    workflow: str
    since: AwareDatetime
    until: AwareDatetime
    comparisons: list[Compared]


@router.get("", responses={**problems(*ALWAYS), **examples.of(examples.RELEASES)}, summary="What is released")
def get_releases(caller: AdminCaller, services: ServicesDep) -> Releases:
    """What holds now, for the tenant and for each workflow that has a release of its own, and the profiles to choose
    from."""
    with services.catalog.reading(caller.tenant) as session:
        rows = releases.current(session, caller.tenant)
    told = [ProfileTold(name=one.name, digest=one.digest, says=one.told()) for one in services.profiles.named.values()]
    return Releases(releases=[Release.of(services, rows[name]) for name in sorted(rows)], profiles=told)


@router.get(
    "/history",
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.RELEASE_HISTORY)},
    summary="What was released",
)
def get_history(
    caller: AdminCaller,
    services: ServicesDep,
    workflow: Annotated[Workflow | None, Query(description="Of one alone; empty: of the whole tenant.")] = None,
    limit: Annotated[int, Query(ge=1, le=_LISTED)] = 50,
) -> History:
    """Every state that held, newest first, with who made it."""
    with services.catalog.reading(caller.tenant) as session:
        rows = releases.history(session, caller.tenant, workflow, limit)
    return History(releases=[Release.of(services, row) for row in rows])


@router.put(
    "", responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.RELEASE)}, summary="Release a profile"
)
def put_release(caller: AdminCaller, services: ServicesDep, body: ReleaseIn) -> Release:
    """All of it, in the place of what holds. It serves the next question."""
    state = State(
        stable=None if body.stable is None else _named(services, body.stable, "stable"),
        canary=None if body.canary is None else _named(services, body.canary.profile, "canary", body.canary.percent),
        shadow=None if body.shadow is None else _named(services, body.shadow.profile, "shadow", body.shadow.percent),
    )
    with services.catalog.transaction(caller.tenant) as session:
        made = releases.put(session, caller.tenant, body.workflow, state, caller.actor)
        record(session, caller, "release.set", f"release:{made.id}", _told(made))
    return Release.of(services, made)


@router.post(
    "/rollback",
    responses={**problems(*ALWAYS, InvalidInput, Conflict), **examples.of(examples.RELEASE)},
    summary="Go back",
)
def rollback(caller: AdminCaller, services: ServicesDep, body: RollbackIn) -> Release:
    """Drop the canary; where there is none, let the stable profile of before serve again. It holds for the next
    question. A shadow stays."""
    with services.catalog.transaction(caller.tenant) as session:
        made = releases.back(session, caller.tenant, body.workflow, caller.actor)
        stable = releases.state_of(made).stable
        if stable is not None and sound(services, stable) is None:
            raise Conflict(f"The profile {stable.name} of before is not configured as it was released.")
        record(session, caller, "release.rollback", f"release:{made.id}", _told(made))
    return Release.of(services, made)


@router.get(
    "/comparison",
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.COMPARISON)},
    summary="How what is tried compares",
)
def get_comparison(
    caller: AdminCaller,
    services: ServicesDep,
    workflow: Workflow = EVERY,
    since: Annotated[AwareDatetime | None, Query(description="Inclusive; 30 days before `until` unless given.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Exclusive; now unless given.")] = None,
) -> Comparisons:
    """The last canary beside its stable profile, over the answers of each; the last shadow beside what was shown,
    answer by answer."""
    end: datetime = until or clock.now()
    begin: datetime = since or end - _LAST
    if begin >= end:
        raise InvalidInput("The time ends before it begins.", field="since")
    with services.catalog.reading(caller.tenant) as session:
        rows = comparison.gathered(session, comparison.Window(caller.tenant, workflow, begin, end))
    found = [Compared.of(one) for one in comparison.compared(rows)]
    return Comparisons(workflow=workflow, since=begin, until=end, comparisons=found)


def _named(services: Services, name: str, role: str, percent: int | None = None) -> Named:
    field = role if percent is None else f"{role}.profile"
    return Named(name, services.profiles.require(name, services.gateway, field=field).digest, percent)


def _share(named: Named | None) -> Share | None:
    return None if named is None else Share(profile=named.name, percent=named.percent or 0)


def _told(row: Any) -> dict[str, Any]:
    """For the audit log."""
    names = ("workflow", "stable", "canary", "canary_percent", "shadow", "shadow_percent")
    return {name: getattr(row, name) for name in names}
