"""What the routes of this service share: its services, and cursors."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Query, Request

from acl.caller import Caller, scope
from ingestion.services import Services
from vouch.core.errors import InvalidInput


def _services(request: Request) -> Services:
    services: Services = request.app.state.ingestion
    return services


ServicesDep = Annotated[Services, Depends(_services)]
SourcesCaller = Annotated[Caller, Depends(scope("sources"))]
DirectoryCaller = Annotated[Caller, Depends(scope("directory"))]
AdminCaller = Annotated[Caller, Depends(scope("admin"))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=400)]


def encode_cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str:
    """Where the last page ended, "" for the first. Raises :class:`InvalidInput`."""
    if cursor is None:
        return ""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("not a cursor", field="cursor") from error
