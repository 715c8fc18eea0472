"""What the routes of this service share: its services, and cursors."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator

from acl.caller import Caller, scope
from ingestion.schemas import storable
from ingestion.services import Services
from vouch.core.errors import InvalidInput, NotFound


async def _services(request: Request) -> Services:
    services: Services = request.app.state.ingestion
    return services


def possible(value: str) -> str:
    """An id that cannot be one is as missing as any other."""
    if not storable(value):
        raise NotFound()
    return value


ServicesDep = Annotated[Services, Depends(_services)]
SourcesCaller = Annotated[Caller, Depends(scope("sources"))]
DirectoryCaller = Annotated[Caller, Depends(scope("directory"))]
AdminCaller = Annotated[Caller, Depends(scope("admin"))]
Id = Annotated[str, Path(), AfterValidator(possible)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=400)]


def encode_cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str:
    """Where the last page ended, "" for the first. Raises :class:`InvalidInput`."""
    if cursor is None:
        return ""
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError as error:
        raise InvalidInput("not a cursor", field="cursor") from error
    if not position or not storable(position):
        raise InvalidInput("not a cursor", field="cursor")
    return position
