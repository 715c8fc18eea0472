"""`/v1/evals/proposals`: questions for an evaluation set of one's own (scope ask, acting for a user)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from retrieval import examples
from retrieval.api.requests import ALWAYS, ServicesDep, Who
from retrieval.proposals.propose import propose
from retrieval.schemas.proposals import EXAMPLE, ProposalsResponse
from vouch.core.errors import InvalidInput
from vouch.serving.responses import problems

router = APIRouter(prefix="/evals", tags=["evals"])


@router.get(
    "/proposals",
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(EXAMPLE)},
    summary="Questions for an evaluation set",
)
def get_proposals(
    asker: Who,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    seed: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    asked: Annotated[bool, Query(description="Only of questions that you asked.")] = False,
) -> ProposalsResponse:
    """Questions that your documents propose, each with what answers it: texts of links, headings, and what you asked.
    Decided now: what you may not read proposes nothing. The same `seed` proposes the same again; another one looks
    elsewhere."""
    return ProposalsResponse.of(propose(services, asker, limit=limit, seed=seed, asked=asked))
