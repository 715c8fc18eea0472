"""What of a draft is written to its end, while the model still writes the rest.

A claim is whole once another has begun behind it, or once the list is closed: JSON that breaks off is read up to where
it does, and what stands last in it may go on.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_core import from_json

from vouch.gateway.chat import DraftClaim

_CLAIM: TypeAdapter[DraftClaim] = TypeAdapter(DraftClaim)


def finished(response: ModelResponse) -> list[DraftClaim]:
    """The claims of a reply that is under way, up to the first that is none. None of a reply that is no draft."""
    written = _written(response)
    try:
        claims = _field(from_json(written, allow_partial="trailing-strings"), "claims")
    except ValueError:
        return []
    found: list[DraftClaim] = []
    for claim in claims[:-1]:
        try:
            found.append(_CLAIM.validate_python(claim))
        except ValidationError:
            break
    return found


def _written(response: ModelResponse) -> str:
    for part in reversed(response.parts):
        if isinstance(part, ToolCallPart):
            return part.args if isinstance(part.args, str) else part.args_as_json_str()
        if isinstance(part, TextPart) and "{" in part.content:
            return part.content[part.content.index("{") :]
    return ""


def _field(draft: Any, name: str) -> list[Any]:
    found = draft.get(name) if isinstance(draft, dict) else None
    return found if isinstance(found, list) else []
