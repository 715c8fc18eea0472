"""Reports that reach people: where mail goes, who wants it, each message that is owed; and who looks after a group."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, moment, optional_json, texts, within


class MailAddress(SQLModel, table=True):
    """Where a user's mail goes; nobody is ever told apart by it. ``set_by``: administrator or person.

    ``pending``: what the person themselves named at ``pending_since`` and has yet to confirm; nothing but the question
    whether it is theirs is sent there."""

    __tablename__ = "mail_address"
    __table_args__ = (within(["user_id"], "app_user"),)
    tenant_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True)
    address: str | None = None
    set_by: str | None = None
    set_at: datetime | None = moment(nullable=True)
    pending: str | None = None
    pending_since: datetime | None = moment(nullable=True)


class ReportSubscription(SQLModel, table=True):
    """What a user said themselves; without a row the tenant's schedule says whether they get reports."""

    __tablename__ = "report_subscription"
    __table_args__ = (within(["user_id"], "app_user"),)
    tenant_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True)
    subscribed: bool
    changed_at: datetime | None = moment(now=True)


class ReportSchedule(SQLModel, table=True):
    """When a tenant's reports go out. ``send_to``: principals who get one unless they said otherwise."""

    __tablename__ = "report_schedule"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    schedule: str | None = None
    send_to: list[str] = texts()
    next_at: datetime | None = moment(nullable=True)


class ReportDelivery(SQLModel, table=True):
    """One message that is owed. ``kind``: report or confirm; ``period``: the moment that it was due.

    ``state``: waiting → sending → sent; nothing (there was nothing to say), skipped (nobody to say it to), dead.
    ``handed``: how often the message was begun to be handed over without an answer that it was not taken; it is
    written down before, so that a crash cannot hide it. ``fence`` grows with every claim, as a stage's."""

    __tablename__ = "report_delivery"
    __table_args__ = (
        within(["user_id"], "app_user"),
        sa.UniqueConstraint("tenant_id", "user_id", "kind", "period"),
        sa.Index("report_delivery_open", "not_before", postgresql_where=sa.text("state in ('waiting', 'sending')")),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    user_id: str
    kind: str
    period: datetime = moment()
    state: str = "waiting"
    attempts: int = 0
    handed: int = 0
    fence: int = big(0)
    leased_until: datetime | None = moment(nullable=True)
    not_before: datetime | None = moment(now=True)
    rung_at: datetime | None = moment(nullable=True)
    problem: dict[str, Any] | None = optional_json()
    created_at: datetime | None = moment(now=True)
    ended_at: datetime | None = moment(nullable=True)


class GroupManager(SQLModel, table=True):
    """Who may see how the documents of a group stand: in numbers, and by name what they may read anyway."""

    __tablename__ = "group_manager"
    __table_args__ = (within(["group_id"], "app_group"), within(["user_id"], "app_user"))
    tenant_id: str = Field(primary_key=True)
    group_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True)
