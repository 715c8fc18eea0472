"""What was asked and answered: answers, citations, traces, conversations, feedback."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import big, json_list, json_object, moment, optional_json, texts, within


class Conversation(SQLModel, table=True):
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    user_id: str
    created_at: datetime | None = moment(now=True)


class Answer(SQLModel, table=True):
    """``kind``: answer or abstention. Readable by its asker while every cited document is (decided on read), and only
    while ``status`` is ``released``: what is ``awaiting_review``, or was ``rejected``, nobody is told but reviewers.
    ``made_by``: the profile, prompt, writer and settings that it was made with."""

    __table_args__ = (
        sa.Index("answer_by_user", "tenant_id", "user_id", "created_at"),
        sa.Index("answer_by_moment", "tenant_id", "created_at"),
        sa.Index("answer_awaiting", "created_at", postgresql_where=sa.text("status = 'awaiting_review'")),
    )
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    user_id: str
    conversation_id: str | None = None
    question: str = Field(sa_type=sa.Text)
    kind: str
    text: str = Field(sa_type=sa.Text)
    claims: list[dict[str, Any]] = json_list()
    notices: list[dict[str, Any]] = json_list()
    abstention: dict[str, Any] | None = optional_json()
    usage: dict[str, Any] = json_object()
    trace_id: str
    epoch: int = big(0)
    principals_hash: str
    generation: str
    proof: dict[str, Any] = json_object()
    made_by: dict[str, Any] = json_object()
    status: str = Field(default="released", sa_column_kwargs={"server_default": "released"})
    created_at: datetime | None = moment(now=True)


class Approval(SQLModel, table=True):
    """What a person has to decide, or decided, about an answer before its asker may read it. What was decided says the
    answer's ``status``.

    ``why`` it needs a person; ``inputs``: documents that it was made from, all of which a reviewer has to be able to
    read. ``version`` counts the texts that it has had; ``original`` is the first of them, once there is another.
    """

    __table_args__ = (within(["answer_id"], "answer"),)
    tenant_id: str = Field(primary_key=True)
    answer_id: str = Field(primary_key=True)
    why: str
    inputs: list[str] = texts()
    version: int = 1
    claimed_by: str | None = None
    claimed_until: datetime | None = moment(nullable=True)
    edited_by: str | None = None
    original: dict[str, Any] | None = optional_json()
    decided_by: str | None = None
    decided_at: datetime | None = moment(nullable=True)
    reason: str | None = Field(default=None, sa_type=sa.Text, nullable=True)


class Citation(SQLModel, table=True):
    """A quote equal to the version's text at the span, checked before the answer was released."""

    __table_args__ = (
        within(["answer_id"], "answer"),
        sa.Index("citation_by_document", "tenant_id", "document_id"),
    )
    tenant_id: str = Field(primary_key=True)
    answer_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    document_id: str
    version: int
    span_start: int
    span_end: int
    quote: str = Field(sa_type=sa.Text)
    place: str = Field(default="", sa_column_kwargs={"server_default": ""})


class Trace(SQLModel, table=True):
    """``documents``: every document id that fed the trace; it is readable while all of them are."""

    __table_args__ = (sa.Index("trace_by_time", "tenant_id", "created_at"),)
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    user_id: str
    kind: str
    query: str = Field(sa_type=sa.Text)
    data: dict[str, Any] = json_object()
    created_at: datetime | None = moment(now=True)


class Feedback(SQLModel, table=True):
    __table_args__ = (within(["answer_id"], "answer"),)
    tenant_id: str = Field(primary_key=True)
    answer_id: str = Field(primary_key=True)
    user_id: str = Field(primary_key=True)
    helpful: bool
    comment: str | None = None
    created_at: datetime | None = moment(now=True)


class AnswerReuse(SQLModel, table=True):
    """That an answer may be given again. What it says stands in its own row, and goes with it.

    ``key``: hash of who may have it and how it was made; ``question`` and ``evidence``: hashes of what was searched
    for and of the passages it was written from. ``vector``: the question's, by the model of the generation in the key;
    null where only the same question counts.
    """

    __tablename__ = "answer_reuse"
    __table_args__ = (
        within(["answer_id"], "answer"),
        sa.Index("answer_reuse_by_key", "tenant_id", "key", "created_at"),
        sa.Index("answer_reuse_by_age", "tenant_id", "created_at"),
    )
    tenant_id: str = Field(primary_key=True)
    answer_id: str = Field(primary_key=True)
    key: str
    question: str
    evidence: str
    vector: bytes | None = None
    created_at: datetime | None = moment(now=True)
