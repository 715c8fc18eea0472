"""Scans that go on where they were interrupted: how far one had come"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"


def upgrade() -> None:
    op.create_table(
        "scan_point",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("counts", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("problems", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("seen", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "job_id"),
        sa.ForeignKeyConstraint(["tenant_id", "job_id"], ["job.tenant_id", "job.id"], ondelete="CASCADE"),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON scan_point TO {ROLE}")
    op.execute("ALTER TABLE scan_point ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON scan_point TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("scan_point")
