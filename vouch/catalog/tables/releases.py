"""Which profile makes the answers, what else is tried, and what came of a profile that ran beside unseen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import json_object, moment, optional_json, within


class ProfileRelease(SQLModel, table=True):
    """One state of a tenant's releases, or of a ``workflow``'s of it: the newest of each, by ``n``, holds. No row is
    ever changed. A digest says what its profile said then; without ``stable`` nothing is released. ``before`` is the
    state that the stable profile is gone back from to, ``verb`` how this one came about: set or rollback."""

    __tablename__ = "profile_release"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "workflow", "n"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    workflow: str = ""
    n: int
    stable: str | None = None
    stable_digest: str | None = None
    canary: str | None = None
    canary_digest: str | None = None
    canary_percent: int | None = None
    shadow: str | None = None
    shadow_digest: str | None = None
    shadow_percent: int | None = None
    before: str | None = None
    verb: str
    by: str
    at: datetime | None = moment(now=True)


class ShadowRun(SQLModel, table=True):
    """What a profile came to beside a shown answer: figures, no text. ``outcome``: wrote, abstained, or why it failed;
    then there is nothing in ``figures``. ``shown``: those of the answer. ``overlap``: of what both cite, 0 to 1."""

    __tablename__ = "shadow_run"
    __table_args__ = (within(["answer_id"], "answer"), sa.Index("shadow_run_at", "tenant_id", "at"))
    tenant_id: str = Field(primary_key=True)
    answer_id: str = Field(primary_key=True)
    release_id: str
    profile: str
    digest: str
    outcome: str
    shown: dict[str, Any] = json_object()
    figures: dict[str, Any] | None = optional_json()
    overlap: float | None = None
    at: datetime | None = moment(now=True)
