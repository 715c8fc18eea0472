"""Who vouches for identities from outside: issuers of tokens, and what they provision by SCIM."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import json_object, moment, optional_json, texts, within


class Issuer(SQLModel, table=True):
    """``id`` stands in the principals of its users and groups: ``user:okta/00u1``. ``url`` and ``audience`` are those
    of its OpenID Connect access tokens; both null where it only provisions by SCIM. ``jwks`` pins its keys."""

    __table_args__ = (sa.UniqueConstraint("url", "audience"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    url: str | None = None
    audience: str | None = None
    algorithms: list[str] = texts()
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = optional_json()
    user_claim: str = "sub"
    groups_claim: str | None = None
    provision: bool = False
    leeway_s: int = 30
    enabled: bool = True
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class ScimResource(SQLModel, table=True):
    """A user or group as its issuer describes it (RFC 7643). ``principal`` is fixed when it is made; ``user_name`` is
    kept in small letters, and is the display name of a group."""

    __tablename__ = "scim_resource"
    __table_args__ = (
        within(["issuer_id"], "issuer"),
        sa.UniqueConstraint("tenant_id", "issuer_id", "kind", "user_name"),
        sa.UniqueConstraint("tenant_id", "principal"),
        sa.Index("scim_resource_by_external_id", "tenant_id", "issuer_id", "external_id"),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    issuer_id: str
    kind: str
    principal: str
    user_name: str
    external_id: str | None = None
    attributes: dict[str, Any] = json_object()
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)
