"""Where documents lead: the links of each version, as they are written and all that they can mean."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class DocumentLink(SQLModel, table=True):
    """One thing that a link can mean: ``path``, an external id of its own source, or ``url``, the address of a
    document of any source. ``ordinal``: of the link in its version; ``way``: of its meanings, most likely first.
    ``target`` is the link as it is written, and ``span_start`` where its text stands, each told of every meaning.

    Whether anything is there is asked when a report is read, so nothing here becomes wrong when documents come and go.
    """

    __tablename__ = "document_link"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id", "version"],
            ["document_version.tenant_id", "document_version.document_id", "document_version.version"],
            ondelete="CASCADE",
        ),
        sa.Index("document_link_by_path", "tenant_id", "source_id", "path"),
        sa.Index("document_link_by_url", "tenant_id", "url"),
    )
    tenant_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    way: int = Field(primary_key=True)
    source_id: str
    target: str
    path: str | None = None
    url: str | None = None
    span_start: int | None = None
    span_end: int | None = None
