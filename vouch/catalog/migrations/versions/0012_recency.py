"""Documents by recency: lists of what fits filters alone, without reading all that there is"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "document_by_recency",
        "document",
        ["tenant_id", sa.text("modified_at DESC NULLS LAST"), "id"],
        postgresql_where=sa.text("state = 'live'"),
    )


def downgrade() -> None:
    op.drop_index("document_by_recency", "document")
