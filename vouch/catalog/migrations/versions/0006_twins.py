"""Twins: signatures of texts, which texts are alike, and what contradicts what in them

What was taken in before counts as not compared, and is compared by and by (``ingestion/twins/work.py``).
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
_TABLES = ("signature", "signature_band", "twin", "twin_conflict")
_UNCOMPARED = sa.text("state = 'live' AND compared_version IS DISTINCT FROM current_version")


def upgrade() -> None:
    op.add_column("document", sa.Column("compared_version", sa.Integer(), nullable=True))
    op.add_column("document", sa.Column("series", sa.String(), server_default="", nullable=False))
    op.create_index("document_uncompared", "document", ["tenant_id", "id"], postgresql_where=_UNCOMPARED)
    op.create_index("document_by_series", "document", ["tenant_id", "series"], postgresql_where=sa.text("series <> ''"))
    op.create_index("document_version_by_text", "document_version", ["tenant_id", "text"])
    op.create_table(
        "signature",
        *_texts("tenant_id", "digest"),
        sa.Column("shingles", sa.Integer(), nullable=False),
        sa.Column("minhash", sa.LargeBinary(), nullable=False),
        sa.Column("paired", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    )
    op.create_table(
        "signature_band",
        *_texts("tenant_id"),
        sa.Column("hash", sa.BigInteger(), nullable=False),
        *_texts("digest"),
        sa.PrimaryKeyConstraint("tenant_id", "hash", "digest"),
        _of_text("digest"),
    )
    op.create_index("signature_band_by_text", "signature_band", ["tenant_id", "digest"])
    op.create_table(
        "twin",
        *_texts("tenant_id", "a", "b"),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("similarity", "estimated", "containment")),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "a", "b"),
        _of_text("a"),
        _of_text("b"),
    )
    op.create_index("twin_by_other", "twin", ["tenant_id", "b"])
    op.create_table(
        "twin_conflict",
        *_texts("tenant_id", "a", "b"),
        sa.Column("n", sa.Integer(), nullable=False),
        *_texts("kind"),
        *_side("a"),
        *_side("b"),
        sa.PrimaryKeyConstraint("tenant_id", "a", "b", "n"),
        sa.ForeignKeyConstraint(["tenant_id", "a", "b"], ["twin.tenant_id", "twin.a", "twin.b"], ondelete="CASCADE"),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in _TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _texts(*names: str) -> tuple[sa.Column[Any], ...]:
    return tuple(sa.Column(name, sa.String(), nullable=False) for name in names)


def _side(of: str) -> tuple[sa.Column[Any], ...]:
    places = (sa.Column(f"{of}_{name}", sa.Integer(), nullable=False) for name in ("start", "end", "from", "to"))
    return (*places, sa.Column(f"{of}_quote", sa.Text(), nullable=False))


def _of_text(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], ["signature.tenant_id", "signature.digest"], ondelete="CASCADE"
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("document_version_by_text", table_name="document_version")
    op.drop_index("document_by_series", table_name="document")
    op.drop_index("document_uncompared", table_name="document")
    op.drop_column("document", "series")
    op.drop_column("document", "compared_version")
