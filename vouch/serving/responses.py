"""What OpenAPI says of errors: the problem document, and which errors a route may answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from vouch.core.errors import InvalidInput, StateNotReached, Unauthenticated, Unavailable, VouchError
from vouch.serving.problems import MEDIA_TYPE


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:vouch:error:not_found"])
    title: str
    status: int
    code: str = Field(description="Stable; what programs should look at.", examples=["not_found"])
    detail: str
    field: str | None = Field(None, description="The offending input, in the request's own words.")


_ALWAYS = (Unauthenticated, InvalidInput, StateNotReached, Unavailable)
"""What finding out who asks may raise, on any route that does."""


def problems(*errors: type[VouchError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses`` for a route that may raise ``errors``, besides what every route may."""
    by_status: dict[int | str, dict[str, Any]] = {}
    raised: tuple[type[VouchError], ...] = (*_ALWAYS, *errors)
    for error in raised:
        entry = by_status.setdefault(
            error.status,
            {
                "description": error.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"value": error().problem()}
    return by_status


def document_problems(app: FastAPI) -> None:
    """Add to the OpenAPI document of ``app`` the schema that :func:`problems` refers to.

    FastAPI adds schemas only for responses of the route's own media type, which problem+json is not.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
