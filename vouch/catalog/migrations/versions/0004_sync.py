"""Sync: a source's own groups, its deletion guard, access schedule, priority, circuit breaker; claims in turn"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'ready' AND attempts = 0")


def upgrade() -> None:
    op.add_column("source", sa.Column("issuer", sa.String(), nullable=True))
    op.create_unique_constraint("source_tenant_id_issuer_key", "source", ["tenant_id", "issuer"])
    op.add_column("source", sa.Column("deletion_guard", sa.Float(), server_default="0.5", nullable=False))
    op.add_column("source", sa.Column("access_schedule", sa.String(), nullable=True))
    op.add_column("source", sa.Column("next_access_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("source", sa.Column("priority", sa.String(), server_default="normal", nullable=False))
    op.add_column("source", sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("source", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("source", sa.Column("try_after", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job", sa.Column("confirm_deletions", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("stage", sa.Column("source_id", sa.String(), server_default="", nullable=False))
    op.execute(
        "UPDATE stage s SET source_id = j.source_id FROM job j WHERE (j.tenant_id, j.id) = (s.tenant_id, s.job_id)"
    )
    op.create_index("stage_waiting", "stage", ["name", "tenant_id", "source_id", "id"], postgresql_where=_WAITING)


def downgrade() -> None:
    op.drop_index("stage_waiting", table_name="stage")
    op.drop_column("stage", "source_id")
    op.drop_column("job", "confirm_deletions")
    for column in ("try_after", "failing_since", "failures", "priority", "next_access_at", "access_schedule"):
        op.drop_column("source", column)
    op.drop_column("source", "deletion_guard")
    op.drop_constraint("source_tenant_id_issuer_key", "source")
    op.drop_column("source", "issuer")
