"""What is being done: jobs, stages, index operations (outbox), index generations, heartbeats."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_list, json_object, moment, optional_json, texts, within


class Job(SQLModel, table=True):
    """``state``: queued, running, succeeded, failed, cancelled. ``scanned``: all of its stages are known.
    ``confirm_deletions``: it may delete more than its source's guard lets pass."""

    __table_args__ = (
        within(["source_id"], "source"),
        sa.Index("job_by_source", "tenant_id", "source_id", "created_at"),
        sa.Index("job_open", "state", postgresql_where=sa.text("state in ('queued', 'running')")),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    source_id: str
    kind: str
    state: str = "queued"
    scanned: bool = False
    confirm_deletions: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    counts: dict[str, Any] = json_object()
    problems: list[dict[str, Any]] = json_list()
    created_at: datetime | None = moment(now=True)
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)


class ScanPoint(SQLModel, table=True):
    """How far a scan that lists everything had come, while it has not come to its end.

    ``seen``: external ids, packed. ``fence``: of the lease under which it came so far.
    """

    __tablename__ = "scan_point"
    __table_args__ = (within(["job_id"], "job"),)
    tenant_id: str = Field(primary_key=True)
    job_id: str = Field(primary_key=True)
    fence: int = big(0)
    cursor: dict[str, Any] = json_object()
    counts: dict[str, Any] = json_object()
    problems: list[dict[str, Any]] = json_list()
    seen: bytes


class Stage(SQLModel, table=True):
    """One step of one document in one job (``scan`` has no document).

    ``state``: ready → leased → done; waiting (for the projector), failed, cancelled.
    ``fence`` grows with every lease: a worker whose fence is no longer the row's has lost it.
    ``result`` is for people (counts, sizes); what the next stage needs stands in the catalog's own tables.
    ``source_id`` is its job's, kept here so that the waiting sources can take turns (``stage_waiting``).
    """

    __table_args__ = (
        within(["job_id"], "job"),
        sa.UniqueConstraint("tenant_id", "job_id", "document_id", "version", "name"),
        sa.Index("stage_by_job", "tenant_id", "job_id", "name", "state"),
        sa.Index(
            "stage_open", "state", "not_before", postgresql_where=sa.text("state in ('ready', 'leased', 'waiting')")
        ),
        sa.Index(
            "stage_waiting",
            "name",
            "tenant_id",
            "source_id",
            "id",
            postgresql_where=sa.text("state = 'ready' AND attempts = 0"),
        ),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    job_id: str
    source_id: str = Field(default="", sa_column_kwargs={"server_default": ""})
    document_id: str = ""
    version: int = 0
    name: str
    state: str = "ready"
    attempts: int = 0
    fence: int = big(0)
    leased_until: datetime | None = moment(nullable=True)
    not_before: datetime | None = moment(now=True)
    rung_at: datetime | None = moment(now=True)
    wait_seq: int | None = big(None, nullable=True)
    result: dict[str, Any] = json_object()
    problem: dict[str, Any] | None = optional_json()
    created_at: datetime | None = moment(now=True)
    finished_at: datetime | None = moment(nullable=True)


class IndexGeneration(SQLModel, table=True):
    """One index, made by one recipe (``vouch/core/recipe.py``), of which one generation is asked.

    ``state``: building (being filled), ready (it may be asked), active, retired (was active, and is kept), removed. All
    but the removed take every operation, each as far as ``applied_seq``.

    ``embed_model``: where its model is found, as ``VOUCH_EMBED_MODEL`` says it; null: where the settings say.
    ``progress``: ``done`` of ``total`` documents while it is filled, and ``after``, the last one (tenant, document,
    version). ``compared``: what the last comparison with the active one found. ``problem``: what stands in its way.
    ``emptied_at``: since when nothing is left of a removed one but this row, by which answers that name it are known.
    """

    __tablename__ = "index_generation"
    __table_args__ = (
        sa.Index("index_generation_active", "state", unique=True, postgresql_where=sa.text("state = 'active'")),
    )
    id: str = Field(primary_key=True)
    model: str
    embed_model: str | None = None
    dimensions: int
    chunker: str
    context: str = Field(default="title-path.v1", sa_column_kwargs={"server_default": "title-path.v1"})
    lexical: str = Field(default="english.v1", sa_column_kwargs={"server_default": "english.v1"})
    layout: str = Field(default="f32.v1", sa_column_kwargs={"server_default": "f32.v1"})
    state: str = Field(default="active", index=True)
    applied_seq: int = big(0)
    progress: dict[str, Any] = json_object()
    compared: dict[str, Any] | None = optional_json()
    problem: dict[str, Any] | None = optional_json()
    created_at: datetime | None = moment(now=True)
    ready_at: datetime | None = moment(nullable=True)
    activated_at: datetime | None = moment(nullable=True)
    retired_at: datetime | None = moment(nullable=True)
    removed_at: datetime | None = moment(nullable=True)
    emptied_at: datetime | None = moment(nullable=True)


class IndexOpRow(SQLModel, table=True):
    """The outbox to the index. ``seq`` is in commit order (writers hold one lock while they append).

    ``kind``: write (a version's chunks), remove (a version, or all of a document when ``version`` is null),
    access (documents whose ACL changed). A row says what to look at; the projector reads what is true now.
    """

    __tablename__ = "index_op"
    seq: int | None = Field(default=None, sa_type=sa.BigInteger, primary_key=True)
    tenant_id: str
    kind: str
    document_ids: list[str] = texts()
    version: int | None = None
    created_at: datetime | None = moment(now=True)


class Heartbeat(SQLModel, table=True):
    """The last time a part proved that it works (a worker's canary task, a scheduler's sweep)."""

    part: str = Field(primary_key=True)
    at: datetime | None = moment(now=True)
    detail: dict[str, Any] = json_object()
