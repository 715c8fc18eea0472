"""Links between documents: what each version leads to"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"


def upgrade() -> None:
    op.create_table(
        "document_link",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("way", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("span_start", sa.Integer(), nullable=True),
        sa.Column("span_end", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "version", "ordinal", "way"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id", "version"],
            ["document_version.tenant_id", "document_version.document_id", "document_version.version"],
            ondelete="CASCADE",
        ),
    )
    op.create_index("document_link_by_path", "document_link", ["tenant_id", "source_id", "path"])
    op.create_index("document_link_by_url", "document_link", ["tenant_id", "url"])
    # By hash, for an address may be longer than an index that is ordered takes.
    op.create_index("document_by_uri", "document", ["uri"], postgresql_using="hash")
    op.create_index(
        "document_deleted", "document", ["tenant_id", "source_id"], postgresql_where=sa.text("state = 'deleted'")
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document_link TO {ROLE}")
    op.execute("ALTER TABLE document_link ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON document_link TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    op.drop_index("document_deleted", "document")
    op.drop_index("document_by_uri", "document")
    op.drop_table("document_link")
