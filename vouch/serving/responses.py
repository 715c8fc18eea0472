"""What OpenAPI says of errors: the problem document, and which errors a route may answer with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from vouch.core.errors import Unauthenticated, VouchError
from vouch.serving.problems import MEDIA_TYPE


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:vouch:error:not_found"])
    title: str
    status: int
    code: str = Field(description="Stable; what programs should look at.", examples=["not_found"])
    detail: str
    field: str | None = Field(None, description="The offending input, in the request's own words.")


def problems(*errors: type[VouchError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses`` for a route that may raise ``errors`` (unauthenticated is always among them)."""
    by_status: dict[int | str, dict[str, Any]] = {}
    raised: tuple[type[VouchError], ...] = (Unauthenticated, *errors)
    for error in raised:
        entry = by_status.setdefault(
            error.status, {"model": Problem, "description": error.title, "content": {MEDIA_TYPE: {"examples": {}}}}
        )
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"value": error().problem()}
    return by_status
