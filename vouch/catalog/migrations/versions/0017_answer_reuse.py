"""Which answers may be given again, and to what"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"


def upgrade() -> None:
    op.create_table(
        "answer_reuse",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("tenant_id", "answer_id")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("key", "question", "evidence")),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("tenant_id", "answer_id"),
        sa.ForeignKeyConstraint(["tenant_id", "answer_id"], ["answer.tenant_id", "answer.id"], ondelete="CASCADE"),
    )
    op.create_index("answer_reuse_by_key", "answer_reuse", ["tenant_id", "key", "created_at"])
    op.create_index("answer_reuse_by_age", "answer_reuse", ["tenant_id", "created_at"])
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON answer_reuse TO {ROLE}")
    op.execute("ALTER TABLE answer_reuse ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON answer_reuse TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("answer_reuse")
