"""Texts that are alike. They belong to texts rather than documents: however many documents show one text, it is kept,
and compared, once. Who may be told of a pair is decided by the documents that show its texts, when it is read."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from vouch.catalog.columns import moment


def _of_text(*columns: str) -> sa.ForeignKeyConstraint:
    """To the signature of the text, whose end is the end of all that was found of it."""
    return sa.ForeignKeyConstraint(
        ["tenant_id", *columns], ["signature.tenant_id", "signature.digest"], ondelete="CASCADE"
    )


class Signature(SQLModel, table=True):
    """Of a text that some document shows, by its digest. ``minhash``: 120 × 4 bytes, little-endian. ``paired``: those
    that it is like have been looked for; who comes later finds it."""

    tenant_id: str = Field(primary_key=True, foreign_key="tenant.id")
    digest: str = Field(primary_key=True)
    shingles: int
    minhash: bytes
    paired: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    created_at: datetime | None = moment(now=True)


class SignatureBand(SQLModel, table=True):
    """A part of a signature; who shares one may be like it. The number of the band is hashed into it."""

    __tablename__ = "signature_band"
    __table_args__ = (_of_text("digest"), sa.Index("signature_band_by_text", "tenant_id", "digest"))
    tenant_id: str = Field(primary_key=True)
    hash: int = Field(primary_key=True, sa_type=sa.BigInteger)
    digest: str = Field(primary_key=True)


class Twin(SQLModel, table=True):
    """Two texts that are alike, the lesser digest first. ``similarity``: the exact Jaccard similarity of their
    shingles, and ``estimated`` that of their signatures. ``conflicts``: how many were found."""

    __table_args__ = (_of_text("a"), _of_text("b"), sa.Index("twin_by_other", "tenant_id", "b"))
    tenant_id: str = Field(primary_key=True)
    a: str = Field(primary_key=True)
    b: str = Field(primary_key=True)
    similarity: float
    estimated: float
    containment: float
    conflicts: int


class TwinConflict(SQLModel, table=True):
    """A sentence of each that contradict each other: where it begins and ends, and where its figure does."""

    __tablename__ = "twin_conflict"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "a", "b"], ["twin.tenant_id", "twin.a", "twin.b"], ondelete="CASCADE"),
    )
    tenant_id: str = Field(primary_key=True)
    a: str = Field(primary_key=True)
    b: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    kind: str
    a_start: int
    a_end: int
    a_from: int
    a_to: int
    a_quote: str = Field(sa_type=sa.Text)
    b_start: int
    b_end: int
    b_from: int
    b_to: int
    b_quote: str = Field(sa_type=sa.Text)
