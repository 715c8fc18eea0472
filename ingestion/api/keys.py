"""`/v1/keys`: making, listing and revoking API keys (scope admin)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import col, select

from acl.keys import SCOPES, create_key, grantable, revoke_key
from ingestion.api.requests import AdminCaller, Id, ServicesDep
from ingestion.schemas import Input, PrincipalText, Text200, Time, example
from vouch.catalog.tables import ApiKey
from vouch.core.clock import rfc3339
from vouch.core.errors import Forbidden, InvalidInput, NotFound
from vouch.serving.responses import problems

router = APIRouter(prefix="/keys", tags=["keys"])


class KeyIn(Input):
    model_config = example({"name": "intranet", "scopes": ["ask", "act_as"]})

    name: Text200
    scopes: Annotated[list[str], Field(min_length=1, max_length=20)]
    user: PrincipalText | None = Field(None, description="Bind the key to act for this user alone.")
    expires_at: Time | None = None


class KeyOut(BaseModel):
    id: str
    name: str
    hint: str = Field(description="The key's last four characters.")
    scopes: list[str]
    user: str | None
    created_by: str | None = Field(description="The user or key that made it.")
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class KeyMade(KeyOut):
    key: str = Field(description="The key itself, shown here and never again.")


class KeyList(BaseModel):
    keys: list[KeyOut]


def _shown(row: ApiKey) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes,
        "user": row.user_id,
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": rfc3339(row.revoked_at),
        "last_used_at": rfc3339(row.last_used_at),
    }


@router.post("", status_code=201, responses=problems(InvalidInput, Forbidden))
def make(body: KeyIn, caller: AdminCaller, services: ServicesDep, request: Request, response: Response) -> KeyMade:
    """Make a key. A caller can hand on only scopes that its own key has, `break_glass` and `review`; and bind one to a
    user only with `act_as`: who administers keys does not come to read by it.
    """
    if not set(body.scopes) & set(SCOPES) <= grantable(caller.scopes):
        raise Forbidden("A key can be given only scopes that yours has.")
    if body.user is not None and "act_as" not in caller.scopes:
        raise Forbidden("A key can be bound to a user only by one that has the scope act_as.")
    with services.catalog.transaction(caller.tenant) as session:
        made = create_key(
            session,
            request.app.state.secret_key,
            caller.tenant,
            name=body.name,
            scopes=body.scopes,
            user=body.user,
            expires_at=body.expires_at,
            actor=caller.actor,
        )
        session.flush()
        row = session.get(ApiKey, (caller.tenant, made.id))
        assert row is not None
        session.refresh(row)
    response.headers["Cache-Control"] = "no-store"
    return KeyMade.model_validate({**_shown(row), "key": made.secret})


@router.get("", responses=problems(Forbidden))
def list_keys(caller: AdminCaller, services: ServicesDep) -> KeyList:
    """All keys of the tenant, newest first; never the keys themselves."""
    with services.catalog.reading(caller.tenant) as session:
        rows = session.exec(
            select(ApiKey).where(col(ApiKey.tenant_id) == caller.tenant).order_by(col(ApiKey.id).desc())
        ).all()
        return KeyList.model_validate({"keys": [_shown(row) for row in rows]})


@router.delete("/{key_id}", status_code=204, responses=problems(Forbidden, NotFound))
def revoke(key_id: Id, caller: AdminCaller, services: ServicesDep) -> None:
    """End a key with the next request."""
    with services.catalog.transaction(caller.tenant) as session:
        revoke_key(session, caller.tenant, key_id, actor=caller.actor)
