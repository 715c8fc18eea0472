"""What there is to read: sources, documents, versions, access, chunks, embeddings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import json_list, json_object, moment, optional_json, texts, within

FIRST_CHUNKER = "structure.v1"
"""What cut the chunks of every index before there were generations."""


class Source(SQLModel, table=True):
    """``state``: active, paused or deleting. ``acl_read_at``: when the last scan that read every ACL, and the source's
    own groups, began; null where Vouch is itself the authority (push), whose access does not age.

    ``issuer``: whose groups the source is the authority on (``group:<issuer>/…``); null where it has none of its own.
    ``deletion_guard``: the share of its documents that a scan may find gone and delete without being told to.
    ``failures``: scans that failed one after the other, the first at ``failing_since``; none is started by schedule
    before ``try_after``. ``in_search``: for a state of a document (due, stale, expired, source_gone) demote or drop;
    what is not there is kept. ``data_class``: what models go by (`vouch/core/data_class.py`).
    """

    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"), sa.UniqueConstraint("tenant_id", "issuer"))
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    name: str
    kind: str
    config: dict[str, Any] = json_object()
    owner: str | None = None
    issuer: str | None = None
    schedule: str | None = None
    access_schedule: str | None = None
    priority: str = Field(default="normal", sa_column_kwargs={"server_default": "normal"})
    deletion_guard: float = Field(default=0.5, sa_column_kwargs={"server_default": "0.5"})
    review_every_s: int | None = None
    stale_after_s: int | None = None
    expire_after_s: int | None = None
    in_search: dict[str, Any] = json_object()
    acl_max_age_s: int | None = None
    data_class: str | None = None
    acl_read_at: datetime | None = moment(nullable=True)
    state: str = "active"
    cursor: dict[str, Any] | None = optional_json()
    next_sync_at: datetime | None = moment(nullable=True)
    next_access_at: datetime | None = moment(nullable=True)
    failures: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    failing_since: datetime | None = moment(nullable=True)
    try_after: datetime | None = moment(nullable=True)
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class AclRow(SQLModel, table=True):
    """An interned, immutable ACL: ``id`` is the hash of its clauses, so equal lists share one row."""

    __tablename__ = "acl"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    id: str = Field(primary_key=True)
    clauses: int


class ClauseRow(SQLModel, table=True):
    __tablename__ = "clause"
    __table_args__ = (within(["acl_id"], "acl", cascade=False),)
    tenant_id: str = Field(primary_key=True)
    acl_id: str = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    allow: list[str] = texts()
    deny: list[str] = texts()


class Document(SQLModel, table=True):
    """``state``: pending (nothing published yet), live, quarantined, deleted.

    ``acl_id`` null means nobody; ``access_problem`` says why, where the source's rules are at fault:
    ``{reason, detail}``. The content stays, and is readable again once they are put right. ``problem`` says why the
    newest content could not be ingested: ``{reason, detail, stage, attempts, at}``; an earlier good version stays
    readable meanwhile. The ages (``review_every_s`` and on) are its own or its folder's; null: the source's.
    ``compared_version``: the one that was last compared with other documents, by what they say and under ``series``,
    which is its name without dates and numbers of versions.
    """

    __table_args__ = (
        within(["source_id"], "source"),
        within(["acl_id"], "acl", cascade=False),
        sa.UniqueConstraint("tenant_id", "source_id", "external_id"),
        sa.Index("document_by_acl", "tenant_id", "acl_id"),
        # Not over the names themselves: array operators may not look behind row-level security, so no index on
        # them would be used. Few documents of a source replace others, and those few are found by this one.
        sa.Index(
            "document_superseding",
            "tenant_id",
            "source_id",
            postgresql_where=sa.text("cardinality(supersedes) > 0"),
        ),
        sa.Index(
            "document_uncompared",
            "tenant_id",
            "id",
            postgresql_where=sa.text("state = 'live' AND compared_version IS DISTINCT FROM current_version"),
        ),
        sa.Index("document_by_series", "tenant_id", "series", postgresql_where=sa.text("series <> ''")),
        # By hash, for an address may be longer than an index that is ordered takes.
        sa.Index("document_by_uri", "uri", postgresql_using="hash"),
        # The newest first, and what has no date last, for lists by filters alone.
        sa.Index(
            "document_by_recency",
            "tenant_id",
            sa.text("modified_at DESC NULLS LAST"),
            "id",
            postgresql_where=sa.text("state = 'live'"),
        ),
        sa.Index("document_deleted", "tenant_id", "source_id", postgresql_where=sa.text("state = 'deleted'")),
    )
    tenant_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    source_id: str
    external_id: str
    title: str
    uri: str
    mime: str = ""
    language: str = "und"
    owner: str | None = None
    modified_at: datetime | None = moment(nullable=True)
    review_every_s: int | None = None
    stale_after_s: int | None = None
    expire_after_s: int | None = None
    supersedes: list[str] = texts()
    state: str = "pending"
    fingerprint: str = ""
    acl_id: str | None = None
    acl_read_at: datetime | None = moment(nullable=True)
    access_problem: dict[str, Any] | None = optional_json()
    current_version: int | None = None
    last_version: int = 0
    compared_version: int | None = None
    series: str = Field(default="", sa_column_kwargs={"server_default": ""})
    problem: dict[str, Any] | None = optional_json()
    created_at: datetime | None = moment(now=True)
    updated_at: datetime | None = moment(now=True)


class DocumentChange(SQLModel, table=True):
    """What an epoch made of a document's access: another ACL (null: nobody), or gone. No content, so it may outlive
    the document; the state at any epoch is the last row up to it. ``published``: of one that is gone, when each of
    its versions had been published (version → RFC 3339)."""

    __tablename__ = "document_change"
    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    document_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True, sa_type=sa.BigInteger)
    acl_id: str | None = None
    deleted: bool = False
    published: dict[str, Any] | None = optional_json()


class Review(SQLModel, table=True):
    """The last time an owner said that a version holds. ``reviewed_until``: verified so long; null where the policy
    alone says when to look again."""

    __table_args__ = (within(["document_id"], "document"),)
    tenant_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    version: int
    user_id: str
    reviewed_at: datetime = moment()
    reviewed_until: datetime | None = moment(nullable=True)
    comment: str | None = Field(default=None, sa_type=sa.Text)


class DocumentVersion(SQLModel, table=True):
    """``raw`` and ``parsed`` are blob digests; ``text_sha`` is that of the normalised text alone."""

    __tablename__ = "document_version"
    __table_args__ = (
        within(["document_id"], "document"),
        sa.Index("document_version_by_text", "tenant_id", "text"),
    )
    tenant_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    raw: str
    raw_bytes: int
    parsed: str | None = None
    text: str | None = None
    chunks: int = 0
    meta: dict[str, Any] = json_object()
    modified_at: datetime | None = moment(nullable=True)
    created_at: datetime | None = moment(now=True)
    published_at: datetime | None = moment(nullable=True)


class Chunk(SQLModel, table=True):
    """``chunker``: how the version was cut, as index generations name it; while two of them cut in different ways, a
    version has chunks of both. ``text_hash`` keys the embedding of the chunk's text in the context
    ``vouch.core.context.KEPT``. ``place``: of the whole; ``places``: of its parts, where they are not all at one, as
    ``vouch/core/places.py`` writes them."""

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id", "version"],
            ["document_version.tenant_id", "document_version.document_id", "document_version.version"],
            ondelete="CASCADE",
        ),
        sa.Index("chunk_by_text", "tenant_id", "text_hash"),
    )
    tenant_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    chunker: str = Field(default=FIRST_CHUNKER, primary_key=True, sa_column_kwargs={"server_default": FIRST_CHUNKER})
    ordinal: int = Field(primary_key=True)
    span_start: int
    span_end: int
    kind: str
    place: str
    places: list[Any] = json_list()
    heading_path: list[str] = texts()
    text: str = Field(sa_type=sa.Text)
    text_hash: str


class Embedding(SQLModel, table=True):
    """A unit vector, float32 little-endian, by (embedder, hash of the text). Known text is never embedded again."""

    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    model: str = Field(primary_key=True)
    text_hash: str = Field(primary_key=True)
    vector: bytes
    created_at: datetime | None = moment(now=True)
