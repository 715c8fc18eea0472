"""Documents and their text."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, TypeAdapter

from retrieval import examples
from retrieval.api.requests import ALWAYS, Cursor, Id, Limit, Position, ServicesDep, Who, decode_cursor, encode_cursor
from retrieval.documents import read_document, read_text
from retrieval.review import review
from retrieval.schemas import DocumentResponse, ReviewRequest, SimilarResponse, TextResponse
from retrieval.similar import FIRST, read_similar
from vouch.core.errors import Conflict, InvalidInput, NotFound, UnknownField
from vouch.serving.responses import problems

router = APIRouter(tags=["documents"])
_PLACE: TypeAdapter[tuple[int, float, str]] = TypeAdapter(
    tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], Annotated[float, Field(ge=0, le=1)], Position]
)
"""Of a document among those that are like another: conflicts, similarity, id."""


@router.get(
    "/documents/{document_id}",
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.DOCUMENT)},
    summary="A document",
)
def get_document(asker: Who, services: ServicesDep, document_id: Id) -> DocumentResponse:
    """Decided now. One that you may not read is as missing as one that is not there."""
    return DocumentResponse.of(read_document(services, asker, document_id))


@router.get(
    "/documents/{document_id}/similar",
    responses={**problems(*ALWAYS, NotFound, InvalidInput), **examples.of(examples.SIMILAR)},
    summary="Documents like it, and what contradicts it",
)
def get_similar(
    asker: Who, services: ServicesDep, document_id: Id, limit: Limit = 20, cursor: Cursor = None
) -> SimilarResponse:
    """Duplicates, near-duplicates and other versions that you may read as well, with the sentences that are the same
    but for a figure. Decided now: what you may not read is neither listed nor counted."""
    after = decode_cursor(cursor, _PLACE, FIRST)
    page = read_similar(services, asker, document_id, limit=limit, after=after)
    return SimilarResponse.of(page, encode_cursor(page.after))


@router.post(
    "/documents/{document_id}/review",
    responses={**problems(*ALWAYS, NotFound, Conflict, InvalidInput, UnknownField), **examples.of(examples.DOCUMENT)},
    summary="Verify a document that you own",
)
def post_review(asker: Who, services: ServicesDep, document_id: Id, body: ReviewRequest) -> DocumentResponse:
    """The current version holds, says who owns the document or its source and may read it. Until then it does not
    age; a newer version is not verified by it. On the audit log."""
    return DocumentResponse.of(review(services.catalog, asker, document_id, body.verdict()))


@router.get(
    "/documents/{document_id}/text",
    responses={**problems(*ALWAYS, NotFound, InvalidInput), **examples.of(examples.TEXT)},
    summary="A document's text",
)
def get_text(
    asker: Who,
    services: ServicesDep,
    document_id: Id,
    start: Annotated[int, Query(ge=0)] = 0,
    end: Annotated[int | None, Query(ge=0)] = None,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> TextResponse:
    """Code points `start` to `end` (end exclusive) of the normalised text; what lies beyond the text is cut off,
    and one response holds at most a million characters."""
    return TextResponse.of(read_text(services, asker, document_id, (start, end), version))
