"""Calls of models, and budgets for them"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
TABLES = ("model_call", "budget", "budget_spend")


def upgrade() -> None:
    op.create_table(
        "model_call",
        *_texts("tenant_id", "id"),
        _moment("at"),
        *_texts("user_id", "key_id"),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        *_texts("workflow", nullable=True),
        *_texts("model", "outcome"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("input_tokens", "output_tokens")),
        _money("cost"),
        *_texts("currency"),
        *_texts("trace_id", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    )
    op.create_index("model_call_at", "model_call", ["tenant_id", "at"])
    op.create_table(
        "budget",
        *_texts("tenant_id", "id", "scope", "subject", "period"),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        _money("money", nullable=True),
        sa.Column("hard", sa.Boolean(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        sa.UniqueConstraint("tenant_id", "scope", "subject", "period", "hard"),
    )
    op.create_table(
        "budget_spend",
        *_texts("tenant_id", "budget_id"),
        sa.Column("began", sa.Date(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        _money("money"),
        sa.PrimaryKeyConstraint("tenant_id", "budget_id", "began"),
        sa.ForeignKeyConstraint(["tenant_id", "budget_id"], ["budget.tenant_id", "budget.id"], ondelete="CASCADE"),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))


def _money(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Numeric(20, 10), nullable=nullable)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
