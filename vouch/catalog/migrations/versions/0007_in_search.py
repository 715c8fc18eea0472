"""What search does with documents that have aged; the place of each part of a chunk, and of each quote"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What was told of a quote until now: the place of the chunk that it begins in, or what it stands under.
_AS_THEY_WERE = """
    UPDATE citation q SET place = coalesce(nullif(c.place, ''), array_to_string(c.heading_path, ' › '))
    FROM chunk c
    WHERE (c.tenant_id, c.document_id, c.version) = (q.tenant_id, q.document_id, q.version)
    AND c.span_start <= q.span_start AND q.span_start < c.span_end
"""


def upgrade() -> None:
    op.add_column(
        "source", sa.Column("in_search", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column(
        "chunk", sa.Column("places", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.add_column("citation", sa.Column("place", sa.String(), server_default="", nullable=False))
    op.execute(_AS_THEY_WERE)


def downgrade() -> None:
    op.drop_column("citation", "place")
    op.drop_column("chunk", "places")
    op.drop_column("source", "in_search")
