"""A tenant's own evaluation sets, and what came of putting them to the index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_list, json_object, moment, optional_json, within


class EvalSet(SQLModel, table=True):
    """Questions that are asked as ``user_id``, each with the documents that answer it: ``{id, text, documents}``, of
    which each is ``[source id, external id]``. ``digest`` is of them. ``baseline``: the run that every run is held
    against, besides the one before it."""

    __tablename__ = "eval_set"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    name: str
    user_id: str
    questions: list[Any] = json_list()
    digest: str
    mode: str
    rerank: bool
    schedule: str | None = None
    next_at: datetime | None = moment(nullable=True)
    baseline: str | None = None
    created_at: datetime | None = moment(now=True)


class EvalRun(SQLModel, table=True):
    """One putting of a set: ``state`` is queued, running, succeeded or failed.

    ``generation``, ``recipe`` and ``profile``: what was measured. ``missing``: documents that the set names and its
    user may not read, be it that they are gone. ``measured``: every measure by question. ``drift``: what differs from
    other runs; ``told`` once who wants to know of it was told. While it runs, whoever has its ``fence`` has it.
    """

    __tablename__ = "eval_run"
    __table_args__ = (
        within(["set_id"], "eval_set"),
        sa.Index("eval_run_of", "tenant_id", "set_id", "id"),
        sa.Index("eval_run_open", "id", postgresql_where=sa.text("state in ('queued', 'running')")),
        sa.Index("eval_run_untold", "id", postgresql_where=sa.text("NOT told")),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    set_id: str
    digest: str
    user_id: str
    state: str = "queued"
    attempts: int = 0
    fence: int = big(0)
    leased_until: datetime | None = moment(nullable=True)
    generation: str | None = None
    recipe: dict[str, Any] = json_object()
    profile: dict[str, Any] = json_object()
    questions: int = 0
    missing: int = 0
    figures: dict[str, Any] = json_object()
    measured: dict[str, Any] = json_object()
    drift: list[Any] = json_list()
    told: bool = False
    problem: dict[str, Any] | None = optional_json()
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)
