"""`/v1/index/generations`: another index beside the one that is asked, and which of them is (scope admin).

The index is the whole platform's: only administrators of the tenant that it was set up for may change it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field
from sqlmodel import Session

from acl.audit import record
from acl.caller import Caller
from ingestion.api.requests import AdminCaller, Id, ServicesDep
from ingestion.doorbell import ring_build
from ingestion.generations.recipe import Choice, recipe_by
from ingestion.schemas import Input
from ingestion.services import Services
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.outbox import newest
from vouch.catalog.tables import IndexGeneration
from vouch.core.errors import Conflict, Forbidden, IndexUnavailable, InvalidInput, ModelUnavailable, NotFound
from vouch.core.recipe import Recipe
from vouch.gateway.embed import load_embedder
from vouch.serving.generations import GenerationOut, GenerationsOut, Swapped, shown
from vouch.serving.responses import problems

router = APIRouter(prefix="/index/generations", tags=["index"])
Part = Annotated[str, Field(min_length=1, max_length=100)]


class GenerationIn(Input):
    """What differs from the usual. The model is that of the settings (`VOUCH_EMBED_MODEL`)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"lexical": "german.v1"}]})

    chunker: Part | None = Field(None, description="How documents are cut: `structure.v1`, `structure-short.v1`.")
    context: Part | None = Field(None, description="What of a chunk is embedded: `title-path.v1`, `text.v1`.")
    lexical: Part | None = Field(None, description="How words are read: `words.v2`, `english.v1`, `german.v1`.")


async def _administrator(caller: AdminCaller, services: ServicesDep) -> Caller:
    if caller.tenant != services.settings.tenant:
        raise Forbidden("The index is the whole platform's; this tenant does not administer it.")
    return caller


Administrator = Annotated[Caller, Depends(_administrator)]


@router.get("", responses=problems(Forbidden))
def list_(caller: Administrator, services: ServicesDep) -> GenerationsOut:
    """Every generation that there is, the one that is asked first; and the recipe that a new one would be made by."""
    usual = recipe_by(services.settings)
    with services.catalog.reading(ACROSS_TENANTS) as session:
        return GenerationsOut.of(generations.live(session), newest(session), usual)


@router.post("", status_code=201, responses=problems(Forbidden, InvalidInput, Conflict, ModelUnavailable))
def make(body: GenerationIn, caller: Administrator, services: ServicesDep) -> GenerationOut:
    """Begin to build a generation beside the one that is asked. It is filled when nothing else is to be done."""
    recipe = recipe_by(services.settings, Choice(**body.model_dump()))
    dimensions = _dimensions(services, recipe)
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        row = generations.create(session, recipe, services.settings.embed_model, dimensions)
        last = newest(session)
        _record(session, caller, "index.build", row, fingerprint=recipe.fingerprint)
    ring_build(services.bell)
    return shown(row, last)


@router.get("/{generation_id}", responses=problems(Forbidden, NotFound))
def get(generation_id: Id, caller: Administrator, services: ServicesDep) -> GenerationOut:
    """One generation: its recipe, how far it has come, and what the last comparison found."""
    with services.catalog.reading(ACROSS_TENANTS) as session:
        return shown(generations.find(session, generation_id), newest(session))


@router.post("/{generation_id}/swap", responses=problems(Forbidden, NotFound, Conflict, IndexUnavailable))
def swap(generation_id: Id, caller: Administrator, services: ServicesDep) -> Swapped:
    """Make a generation that is ready, or was asked before, the one that is asked: the next question is asked of it,
    and those under way end on the former. To go back, swap to the former."""
    services.projector.catch_up()  # so that little is left to do while nothing is written
    with services.projector.alone() as session:
        former, woken = services.projector.swap(session, generation_id)
        row, last = generations.find(session, generation_id), newest(session)
        _record(session, caller, "index.swap", row, former=former)
    services.ring("publish", woken)
    return Swapped(former=former, generation=shown(row, last))


@router.delete("/{generation_id}", status_code=204, responses=problems(Forbidden, NotFound, Conflict))
def drop(generation_id: Id, caller: Administrator, services: ServicesDep) -> None:
    """Let go of a generation that is not asked. Its points go a few minutes later, when no question can need them."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        _record(session, caller, "index.drop", generations.drop(session, generation_id))


def _dimensions(services: Services, recipe: Recipe) -> int:
    """Of a model that is known already, or that is tried now: one that does not load is refused before anything is
    built."""
    with services.catalog.reading(ACROSS_TENANTS) as session:
        known = next((row.dimensions for row in generations.live(session) if row.model == recipe.model), None)
    return known or load_embedder(services.settings).dimensions


def _record(session: Session, caller: Caller, action: str, row: IndexGeneration, **detail: str) -> None:
    record(session, caller, action, f"generation:{row.id}", dict(detail))
