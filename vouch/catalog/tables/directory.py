"""Who there is: tenants, users, groups, memberships, keys, and the log of what changed access."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_object, moment, texts, within


class Tenant(SQLModel, table=True):
    """``history_from``: the first epoch whose state can be recomputed from what is remembered of each change."""

    id: str = Field(primary_key=True)
    name: str
    authz_epoch: int = big(1)
    history_from: int = big(1)
    created_at: datetime | None = moment(now=True)


class User(SQLModel, table=True):
    """``id`` is the written principal, ``user:alice`` or ``user:okta/00u1``. ``memberships_read_at``: when an issuer
    last told which groups the user is in; null where Vouch's own directory says it, which does not age."""

    __tablename__ = "app_user"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    name: str
    active: bool = True
    memberships_read_at: datetime | None = moment(nullable=True)
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class Group(SQLModel, table=True):
    """``memberships_read_at``: when a source last told who is in the group; null where no source does, but Vouch's own
    directory, or an issuer user by user."""

    __tablename__ = "app_group"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    name: str
    memberships_read_at: datetime | None = moment(nullable=True)
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class Membership(SQLModel, table=True):
    """``member`` may name a user or a group that is not there yet; it then grants nothing until it is."""

    __table_args__ = (
        within(["group_id"], "app_group"),
        sa.Index("membership_by_member", "tenant_id", "member"),
    )
    tenant_id: str = Field(primary_key=True)
    group_id: str = Field(primary_key=True)
    member: str = Field(primary_key=True)


class ApiKey(SQLModel, table=True):
    """Only an HMAC of the key is kept. ``user_id`` binds the key to act for that user alone."""

    __tablename__ = "api_key"
    __table_args__ = (sa.UniqueConstraint("digest"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    name: str
    hint: str
    digest: str
    scopes: list[str] = texts()
    user_id: str | None = None
    created_by: str | None = None
    created_at: datetime | None = moment(now=True)
    expires_at: datetime | None = moment(nullable=True)
    revoked_at: datetime | None = moment(nullable=True)
    last_used_at: datetime | None = moment(nullable=True)


class AuthzEvent(SQLModel, table=True):
    """One change of access; written in the transaction that made it, with the epoch it began."""

    __tablename__ = "authz_event"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    epoch: int = Field(primary_key=True, sa_type=sa.BigInteger)
    at: datetime | None = moment(now=True)
    actor: str
    kind: str
    subject: str
    detail: dict[str, Any] = json_object()


class UserChange(SQLModel, table=True):
    """What an epoch made of a user: ``active`` null is deleted. The state at any epoch is the last row up to it."""

    __tablename__ = "user_change"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    user_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True, sa_type=sa.BigInteger)
    active: bool | None = None


class MembershipChange(SQLModel, table=True):
    """What an epoch made of a membership: there (``present``) or no longer."""

    __tablename__ = "membership_change"
    __table_args__ = (sa.Index("membership_change_by_member", "tenant_id", "member", "epoch"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    group_id: str = Field(primary_key=True)
    member: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True, sa_type=sa.BigInteger)
    present: bool
