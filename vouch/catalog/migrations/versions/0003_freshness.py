"""Freshness: further ages of a policy, reviews by owners, sources that cannot be read"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
_ADDED = (
    ("source", "expire_after_s", sa.Integer()),
    ("document", "stale_after_s", sa.Integer()),
    ("document", "expire_after_s", sa.Integer()),
)


def upgrade() -> None:
    for table, name, kind in _ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    # What a document had from its source was copied to it; now it is looked up, so that a change of it holds at once.
    op.execute(
        "UPDATE document d SET review_every_s = NULL FROM source s"
        " WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id AND d.review_every_s = s.review_every_s"
    )
    op.create_index("answer_by_moment", "answer", ["tenant_id", "created_at"])
    op.create_table(
        "review",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "document_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"], ["document.tenant_id", "document.id"], ondelete="CASCADE"
        ),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON review TO {ROLE}")
    op.execute("ALTER TABLE review ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON review TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_table("review")
    op.drop_index("answer_by_moment", table_name="answer")
    op.execute(
        "UPDATE document d SET review_every_s = s.review_every_s FROM source s"
        " WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id AND d.review_every_s IS NULL"
    )
    for table, name, _ in reversed(_ADDED):
        op.drop_column(table, name)
