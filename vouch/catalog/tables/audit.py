"""What can be proved afterwards: the audit chain, readings by break-glass, and what people were told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_object, moment


class AuditEntry(SQLModel, table=True):
    """One thing that was done. ``mac`` covers the entry and the ``mac`` before it; rows are only ever added.

    ``chain``: ``access`` for what changes access, ``use`` for what was asked, shown and done under it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("audit_by_subject", "tenant_id", "subject"),
        sa.Index("audit_by_moment", "tenant_id", "at", "chain", "seq"),
    )
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    chain: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=sa.BigInteger)
    at: datetime = moment()
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = json_object()
    mac: str


class AuditHead(SQLModel, table=True):
    """The last link of a chain; locked by whoever adds the next."""

    __tablename__ = "audit_head"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    chain: str = Field(primary_key=True)
    seq: int = big(0)
    mac: str = ""


class BreakGlass(SQLModel, table=True):
    """Leave to read one document without being among its readers, for a stated reason and a short time.

    ``granted_by``: who asked for it and by which key. A grant is over at ``expires_at``, or when it is ended."""

    __tablename__ = "break_glass"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    user_id: str
    document_id: str
    reason: str = Field(sa_type=sa.Text)
    granted_by: str
    created_at: datetime | None = moment(now=True)
    expires_at: datetime = moment()
    first_read_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)


class Notification(SQLModel, table=True):
    """Something a user should know. ``document_id``: what it speaks of, decided again when it is read."""

    __table_args__ = (sa.Index("notification_by_user", "tenant_id", "user_id", "created_at"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    user_id: str
    kind: str
    document_id: str | None = None
    detail: dict[str, Any] = json_object()
    created_at: datetime | None = moment(now=True)
    seen_at: datetime | None = moment(nullable=True)
