"""`/v1/index/generations/{id}/compare`: what another generation of the index would find (scope admin)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from acl.audit import record
from retrieval import examples
from retrieval.api.requests import ALWAYS, AdminCaller, Id, ServicesDep
from retrieval.compare import asked_questions, compare
from vouch.core.errors import Conflict, Forbidden, InvalidInput, ModelUnavailable, NotFound
from vouch.serving.responses import problems

router = APIRouter(prefix="/index/generations", tags=["index"])


class CompareIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"questions": 50}]})

    questions: Annotated[int, Field(ge=1, le=500)] = Field(100, description="How many of those asked last.")


class Compared(BaseModel):
    """Figures alone: nobody learns from them what was asked, or found."""

    compared: dict[str, Any]


@router.post(
    "/{generation_id}/compare",
    responses={
        **problems(*ALWAYS, NotFound, Conflict, InvalidInput, ModelUnavailable),
        **examples.of(examples.COMPARED),
    },
)
def post(generation_id: Id, body: CompareIn, caller: AdminCaller, services: ServicesDep) -> Compared:
    """Ask what users asked last of the active generation and of another one, each under its user's access of today.
    The figures are kept with the other one."""
    if caller.tenant != services.settings.tenant:
        raise Forbidden("The index is the whole platform's; this tenant does not administer it.")
    with services.catalog.reading(caller.tenant) as session:
        questions = asked_questions(session, caller.tenant, body.questions)
    found = compare(services, caller.tenant, generation_id, questions)
    with services.catalog.transaction(caller.tenant) as session:
        record(session, caller, "index.compare", f"generation:{generation_id}", {"questions": found["questions"]})
    return Compared(compared=found)
