"""What the routes of this service share: its services, who asks, and ids."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, StringConstraints, TypeAdapter

from acl.caller import Asker, Caller, asking, scope
from retrieval.guard import clean
from retrieval.services import Services
from vouch.core.errors import (
    AccessIncomplete,
    ActsForNobody,
    Forbidden,
    InvalidInput,
    NotFound,
    StateNotReached,
    Unavailable,
)

LONGEST_ID = 128
T = TypeVar("T")

ALWAYS = (ActsForNobody, Forbidden, StateNotReached, AccessIncomplete, Unavailable)
"""What any route here may answer."""


async def _services(request: Request) -> Services:  # async, like what decides who asks: worth no thread
    services: Services = request.app.state.retrieval
    return services


def possible(value: str) -> str:
    """An id that cannot be one is as missing as any other."""
    if len(value) > LONGEST_ID or value != clean(value):
        raise NotFound()
    return value


ServicesDep = Annotated[Services, Depends(_services)]
Who = Annotated[Asker, Depends(asking)]
AdminCaller = Annotated[Caller, Depends(scope("admin"))]
Id = Annotated[str, Path(), AfterValidator(possible)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1_000)]
Position = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""The id that a page ended with, as a cursor carries it."""


def encode_cursor(position: Any) -> str | None:
    """The opaque form of where a page ended; None where it was the last."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, shape: TypeAdapter[T], first: T) -> T:
    """Where the last page ended, ``first`` without a cursor. Raises :class:`InvalidInput`."""
    if cursor is None:
        return first
    try:
        return shape.validate_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except ValueError as error:
        raise InvalidInput("not a cursor", field="cursor") from error
