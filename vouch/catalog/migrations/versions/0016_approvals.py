"""Answers that a person approves before they are read"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"


def upgrade() -> None:
    op.add_column("answer", sa.Column("status", sa.String(), server_default="released", nullable=False))
    awaiting = sa.text("status = 'awaiting_review'")
    op.create_index("answer_awaiting", "answer", ["created_at"], postgresql_where=awaiting)
    op.create_table(
        "approval",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("tenant_id", "answer_id", "why")),
        sa.Column("inputs", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_by", sa.String(), nullable=True),
        sa.Column("original", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "answer_id"),
        sa.ForeignKeyConstraint(["tenant_id", "answer_id"], ["answer.tenant_id", "answer.id"], ondelete="CASCADE"),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON approval TO {ROLE}")
    op.execute("ALTER TABLE approval ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON approval TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("approval")
    op.drop_index("answer_awaiting", "answer")
    op.drop_column("answer", "status")
