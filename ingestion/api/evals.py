"""`/v1/evals/sets`: a tenant's own evaluation sets, and what came of running them (scope admin).

A set is run as a user, and what it finds tells of what that user may read: to give one, or to have one run, takes the
scope `act_as` besides.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from acl.audit import record
from acl.caller import Caller, require_scope
from ingestion.api.requests import AdminCaller, Cursor, Id, Limit, ServicesDep, decode_cursor, encode_cursor
from ingestion.evals import own
from ingestion.evals.own import Asked
from ingestion.schemas import Input, PrincipalText, Text200, example
from vouch.catalog.tables import EvalRun, EvalSet
from vouch.core.clock import rfc3339
from vouch.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from vouch.core.types import Json
from vouch.serving.responses import problems

router = APIRouter(prefix="/evals/sets", tags=["evals"])
_SOURCE = "0199c0de-6f00-7d10-8c55-1d2e3f405162"
_QUESTION: Json = {
    "id": "q1",
    "text": "how long parents may stay at home",
    "documents": [{"source_id": _SOURCE, "external_id": "hr/parental-leave.md"}],
}
_SET: Json = {"name": "handbook", "user": "user:alice", "questions": [_QUESTION], "schedule": "0 4 * * 1"}
_ERRORS = problems(Forbidden, NotFound, InvalidInput, Conflict)
_MAY_BE_NONE = ("schedule", "baseline")
Mode = Literal["hybrid", "dense", "lexical"]
Schedule = Annotated[str, Field(max_length=100)]


class RelevantDocument(Input):
    """By the name that outlives its versions; it need not be there."""

    source_id: Text200
    external_id: Annotated[str, Field(min_length=1, max_length=2000)]


class EvalQuestion(Input):
    id: Text200
    text: Annotated[str, Field(min_length=1, max_length=1000)]
    documents: Annotated[list[RelevantDocument], Field(min_length=1, max_length=50)] = Field(
        description="What answers it."
    )

    def kept(self) -> Json:
        named = sorted({(one.source_id, one.external_id) for one in self.documents})
        return {"id": self.id, "text": self.text, "documents": [list(one) for one in named]}


Questions = Annotated[list[EvalQuestion], Field(min_length=1, max_length=1000)]


class EvalSetIn(Input):
    model_config = example(_SET)

    name: Text200
    user: PrincipalText = Field(description="Whom the questions are asked as.")
    questions: Questions
    schedule: Schedule | None = Field(None, description="`7d`, or cron in UTC, hourly at most; null: when told to.")
    mode: Mode = "hybrid"
    rerank: bool = True


class EvalSetPatch(Input):
    """What is given is changed."""

    model_config = example({"schedule": "1d"})

    user: PrincipalText | None = Field(None, description="Whom the questions are asked as.")
    questions: Questions | None = Field(None, description="In the place of all that there are.")
    schedule: Schedule | None = Field(None, description="null: when told to.")
    mode: Mode | None = None
    rerank: bool | None = None
    baseline: Text200 | None = Field(None, description="Id of a run that later ones are held against; null: none.")


class Drift(BaseModel):
    """What differs from another run of the same questions."""

    against: Literal["before", "baseline"]
    run_id: str
    measure: str
    difference: float = Field(description="Of the means: this run less that one.")
    low: float
    high: float
    p: float
    questions: int
    won: int
    lost: int
    verdict: Literal["better", "worse", "even", "too_few"] = Field(
        description="`too_few`: fewer than twenty questions decide nothing."
    )
    changed: list[str] = Field(description="What is not the same of generation, recipe, profile and missing documents.")


class Figure(BaseModel):
    mean: float
    low: float
    high: float


class EvalRunOut(BaseModel):
    id: str
    state: Literal["queued", "running", "succeeded", "failed"]
    user: str
    digest: str = Field(description="Of the questions and of what answers them.")
    generation: str | None = Field(description="Of the index.")
    recipe: dict[str, str]
    profile: dict[str, Any]
    questions: int
    missing: int = Field(description="Documents that the set names and its user may not read, gone or closed.")
    figures: dict[str, Figure]
    drift: list[Drift]
    problem: dict[str, str] | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, row: EvalRun, **more: Any) -> Self:
        names = ("id", "state", "digest", "generation", "recipe", "profile", "questions", "missing", "figures", "drift")
        moments = ("created_at", "started_at", "finished_at")
        told = {name: getattr(row, name) for name in (*names, "problem")}
        at = {name: rfc3339(getattr(row, name)) for name in moments}
        return cls.model_validate({**told, **at, "user": row.user_id, **more})


class EvalRunDetail(EvalRunOut):
    measured: dict[str, dict[str, float]] = Field(description="Every measure, by the question's id.")


class EvalRunPage(BaseModel):
    runs: list[EvalRunOut]
    next_cursor: str | None


class EvalSetOut(BaseModel):
    id: str
    name: str
    user: str
    questions: int
    digest: str
    mode: Mode
    rerank: bool
    schedule: str | None
    next_at: str | None
    baseline: str | None
    latest: EvalRunOut | None = Field(description="The last run, whatever became of it.")
    created_at: str | None

    @classmethod
    def of(cls, row: EvalSet, latest: EvalRun | None) -> Self:
        names = ("id", "name", "digest", "mode", "rerank", "schedule", "baseline")
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in names}, "user": row.user_id, "questions": len(row.questions),
                "next_at": rfc3339(row.next_at), "created_at": rfc3339(row.created_at),
                "latest": None if latest is None else EvalRunOut.of(latest),
            }
        )  # fmt: skip


class EvalSets(BaseModel):
    sets: list[EvalSetOut]


async def _asking(caller: AdminCaller) -> Caller:
    require_scope(caller, "act_as")
    return caller


Measuring = Annotated[Caller, Depends(_asking)]


@router.post("", status_code=201, responses=problems(Forbidden, InvalidInput, Conflict))
def create_eval_set(body: EvalSetIn, caller: Measuring, services: ServicesDep) -> EvalSetOut:
    """Give the platform a set, to be run as a user by a schedule or when told to. Needs the scope `act_as` besides."""
    with services.catalog.transaction(caller.tenant) as session:
        row = own.create(session, caller.tenant, _asked(body))
        record(session, caller, "evals.set", f"eval_set:{row.id}", _told(row))
        return EvalSetOut.of(row, None)


@router.get("", responses=problems(Forbidden))
def list_eval_sets(caller: AdminCaller, services: ServicesDep) -> EvalSets:
    """All sets, each with its last run; without their questions."""
    with services.catalog.reading(caller.tenant) as session:
        rows = own.sets(session, caller.tenant)
        return EvalSets(sets=[EvalSetOut.of(row, own.latest(session, row)) for row in rows])


@router.get("/{set_id}", responses=problems(Forbidden, NotFound))
def get_eval_set(set_id: Id, caller: AdminCaller, services: ServicesDep) -> EvalSetOut:
    """One set, with its last run."""
    with services.catalog.reading(caller.tenant) as session:
        row = own.find(session, caller.tenant, set_id)
        return EvalSetOut.of(row, own.latest(session, row))


@router.patch("/{set_id}", responses=_ERRORS)
def change_eval_set(set_id: Id, body: EvalSetPatch, caller: Measuring, services: ServicesDep) -> EvalSetOut:
    """Change what is given. Runs of other questions are not held against each other. Needs `act_as` besides."""
    with services.catalog.transaction(caller.tenant) as session:
        row = own.find(session, caller.tenant, set_id, lock=True)
        own.change(session, row, _asked(body))
        record(session, caller, "evals.set", f"eval_set:{row.id}", _told(row))
        return EvalSetOut.of(row, own.latest(session, row))


@router.delete("/{set_id}", status_code=204, responses=problems(Forbidden, NotFound))
def delete_eval_set(set_id: Id, caller: AdminCaller, services: ServicesDep) -> None:
    """Delete a set with all its runs."""
    with services.catalog.transaction(caller.tenant) as session:
        session.delete(own.find(session, caller.tenant, set_id, lock=True))
        session.flush()
        record(session, caller, "evals.delete", f"eval_set:{set_id}")


@router.post("/{set_id}/runs", status_code=202, responses=problems(Forbidden, NotFound))
def start_eval_run(set_id: Id, caller: Measuring, services: ServicesDep) -> EvalRunOut:
    """Run a set now; the run that waits already, where one does. Needs the scope `act_as` besides."""
    with services.catalog.transaction(caller.tenant) as session:
        run = own.start(session, own.find(session, caller.tenant, set_id, lock=True))
        record(session, caller, "evals.start", f"eval_set:{set_id}", {"run": run.id})
        return EvalRunOut.of(run)


@router.get("/{set_id}/runs", responses=problems(Forbidden, NotFound, InvalidInput))
def list_eval_runs(
    set_id: Id, caller: AdminCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> EvalRunPage:
    """Its runs of the last year, newest first: figures, and what differs from the one before and from the baseline."""
    before = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        row = own.find(session, caller.tenant, set_id)
        found = own.runs(session, row, limit=limit + 1, before=before)
    more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return EvalRunPage(runs=[EvalRunOut.of(run) for run in found[:limit]], next_cursor=more)


@router.get("/{set_id}/runs/{run_id}", responses=problems(Forbidden, NotFound))
def get_eval_run(set_id: Id, run_id: Id, caller: AdminCaller, services: ServicesDep) -> EvalRunDetail:
    """One run, question by question; of what was found nothing."""
    with services.catalog.reading(caller.tenant) as session:
        run = own.find_run(session, own.find(session, caller.tenant, set_id), run_id)
        return EvalRunDetail.of(run, measured=run.measured)


def _asked(body: EvalSetIn | EvalSetPatch) -> Asked:
    given = {name: getattr(body, name) for name in body.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None or name in _MAY_BE_NONE}
    if "user" in given:
        given["user_id"] = given.pop("user")
    if "questions" in given:
        questions: list[EvalQuestion] = given["questions"]
        if len({one.id for one in questions}) < len(questions):
            raise InvalidInput("two questions have one id", field="questions")
        given["questions"] = [one.kept() for one in questions]
    return Asked(given)


def _told(row: EvalSet) -> Json:
    return {"user": row.user_id, "questions": len(row.questions), "digest": row.digest, "schedule": row.schedule}
