"""Who outside is told what happens here: where to, each call that is owed, and which ages were told already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_object, moment, optional_json, texts, within

_FALSE = {"server_default": "false"}
_OPEN = sa.text("state in ('waiting', 'sending')")


class Webhook(SQLModel, table=True):
    """``source_ids`` empty: of all sources. ``secret`` and ``former_secret`` are sealed; the former one signs too,
    until ``former_until``.

    ``state``: active; paused (what happens meanwhile waits); disabled (its receiver said that it is gone: nothing is
    written for it). ``problem`` says why, where nobody asked for it. ``failures``: calls that failed one after the
    other, the first at ``failing_since``; none is made before ``try_after``. ``slow``: its last call failed or took
    long, so that its turns come beside those of others like it. ``rung_at``: a worker was told, and has not been
    through yet.
    """

    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    url: str
    events: list[str] = texts()
    source_ids: list[str] = texts()
    secret: dict[str, Any] = json_object()
    former_secret: dict[str, Any] | None = optional_json()
    former_until: datetime | None = moment(nullable=True)
    state: str = "active"
    problem: dict[str, Any] | None = optional_json()
    failures: int = 0
    failing_since: datetime | None = moment(nullable=True)
    try_after: datetime | None = moment(nullable=True)
    slow: bool = Field(default=False, sa_column_kwargs=_FALSE)
    rung_at: datetime | None = moment(nullable=True)
    turned_at: datetime | None = moment(nullable=True)
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class WebhookDelivery(SQLModel, table=True):
    """One call that is owed. ``state``: waiting → sending → delivered, or dead. ``data``: what is told; no content.
    ``source_id``: what it is about, where that is one source. ``status``: of the last answer. ``fence`` grows with
    every claim, as a stage's."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        within(["webhook_id"], "webhook"),
        sa.Index("webhook_delivery_of", "tenant_id", "webhook_id", "id"),
        sa.Index("webhook_delivery_open", "tenant_id", "webhook_id", "not_before", postgresql_where=_OPEN),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    webhook_id: str
    event: str
    source_id: str | None = None
    at: datetime = moment()
    data: dict[str, Any] = json_object()
    state: str = "waiting"
    attempts: int = 0
    fence: int = big(0)
    leased_until: datetime | None = moment(nullable=True)
    not_before: datetime = moment()
    status: int | None = None
    problem: dict[str, Any] | None = optional_json()
    ended_at: datetime | None = moment(nullable=True)


class WebhookTold(SQLModel, table=True):
    """The state of a document as a webhook was last told it; without a row, that there is nothing to look at."""

    __tablename__ = "webhook_told"
    __table_args__ = (within(["webhook_id"], "webhook"),)
    tenant_id: str = Field(primary_key=True)
    webhook_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    state: str
