"""`/v1/issuers`: whose access tokens are believed, and who provisions users and groups (scope admin)."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from acl.issuers import MAX_LEEWAY_S, Trust, delete_issuer, find_issuer, list_issuers, put_issuer
from acl.jwks import ALGORITHMS
from ingestion.api.requests import AdminCaller, Id, ServicesDep
from ingestion.schemas import AuthzToken, Input
from vouch.catalog.epoch import token
from vouch.catalog.tables import Issuer
from vouch.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from vouch.serving.responses import problems

router = APIRouter(prefix="/issuers", tags=["issuers"])


class IssuerIn(Input):
    """Without ``url`` and ``audience`` the issuer only provisions by SCIM."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://login.example.org/realms/staff",
                    "audience": "vouch",
                    "algorithms": ["RS256"],
                    "user_claim": "sub",
                    "groups_claim": "groups",
                    "provision": True,
                }
            ]
        },
    )

    url: Annotated[str, Field(max_length=2000)] | None = Field(None, description="As `iss` says it, to the letter.")
    audience: Annotated[str, Field(max_length=500)] | None = Field(None, description="What `aud` has to hold.")
    algorithms: Annotated[list[str], Field(min_length=1, max_length=len(ALGORITHMS))] = Field(
        ["RS256"], description=f"Accepted signatures, of {', '.join(ALGORITHMS)}."
    )
    jwks_uri: Annotated[str, Field(max_length=2000)] | None = Field(None, description="Unset: found by discovery.")
    jwks: dict[str, Any] | None = Field(
        None, description="The issuer's public keys (RFC 7517), instead of fetching them."
    )
    user_claim: Annotated[str, Field(max_length=200)] = Field("sub", description="The claim that names the user.")
    groups_claim: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The claim that lists all groups of the user; unset: tokens say nothing of groups."
    )
    provision: bool = Field(False, description="Whether the first valid token of a user creates them.")
    leeway_s: Annotated[int, Field(ge=0, le=MAX_LEEWAY_S)] = Field(30, description="Clock skew allowed for, seconds.")
    enabled: bool = True


class IssuerOut(BaseModel):
    id: str
    url: str | None
    audience: str | None
    algorithms: list[str]
    jwks_uri: str | None
    jwks: dict[str, Any] | None
    user_claim: str
    groups_claim: str | None
    provision: bool
    leeway_s: int
    enabled: bool


class IssuerList(BaseModel):
    issuers: list[IssuerOut]


def _shown(row: Issuer) -> IssuerOut:
    return IssuerOut(id=row.id, **{field.name: getattr(row, field.name) for field in fields(Trust)})


@router.get("", responses=problems(Forbidden))
def list_(caller: AdminCaller, services: ServicesDep) -> IssuerList:
    """All issuers of the tenant."""
    with services.catalog.reading(caller.tenant) as session:
        return IssuerList(issuers=[_shown(row) for row in list_issuers(session, caller.tenant)])


@router.get("/{issuer_id}", responses=problems(Forbidden, NotFound))
def get(issuer_id: Id, caller: AdminCaller, services: ServicesDep) -> IssuerOut:
    """One issuer."""
    with services.catalog.reading(caller.tenant) as session:
        return _shown(find_issuer(session, caller.tenant, issuer_id))


@router.put("/{issuer_id}", responses=problems(Forbidden, InvalidInput, Conflict))
def put(issuer_id: Id, body: IssuerIn, caller: AdminCaller, services: ServicesDep) -> AuthzToken:
    """Create or replace an issuer. Its id stands in the names of its users and groups: `user:okta/00u1`."""
    trust = Trust(**{**body.model_dump(), "algorithms": tuple(body.algorithms)})
    with services.catalog.transaction(caller.tenant) as session:
        epoch = put_issuer(session, caller.tenant, issuer_id, trust, actor=caller.actor)
    return AuthzToken(authz_token=token(services.catalog.audit_key, caller.tenant, epoch))


@router.delete("/{issuer_id}", responses=problems(Forbidden, NotFound))
def delete(issuer_id: Id, caller: AdminCaller, services: ServicesDep) -> AuthzToken:
    """End the trust in an issuer with the next request. Its users and groups stay in the directory."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = delete_issuer(session, caller.tenant, issuer_id, actor=caller.actor)
    return AuthzToken(authz_token=token(services.catalog.audit_key, caller.tenant, epoch))
