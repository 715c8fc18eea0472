"""Webhooks: where to, what is owed, what was told"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
TABLES = ("webhook", "webhook_delivery", "webhook_told")
_OPEN = sa.text("state in ('waiting', 'sending')")


def upgrade() -> None:
    op.create_table(
        "webhook",
        *_texts("tenant_id", "id", "url"),
        sa.Column("events", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("source_ids", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("secret", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("former_secret", postgresql.JSONB(), nullable=True),
        _moment("former_until", nullable=True),
        *_texts("state"),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        *(_moment(name, nullable=True) for name in ("failing_since", "try_after")),
        sa.Column("slow", sa.Boolean(), server_default="false", nullable=False),
        *(_moment(name, nullable=True) for name in ("rung_at", "turned_at")),
        *(_moment(name, now=True) for name in ("created_at", "updated_at")),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    )
    _deliveries()
    op.create_table(
        "webhook_told",
        *_texts("tenant_id", "webhook_id", "document_id", "state"),
        sa.PrimaryKeyConstraint("tenant_id", "webhook_id", "document_id"),
        _of_webhook(),
    )
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        *_texts("tenant_id", "id", "webhook_id", "event"),
        sa.Column("source_id", sa.String(), nullable=True),
        _moment("at"),
        sa.Column("data", postgresql.JSONB(), server_default="{}", nullable=False),
        *_texts("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        _moment("leased_until", nullable=True),
        _moment("not_before"),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        _of_webhook(),
    )
    op.create_index("webhook_delivery_of", "webhook_delivery", ["tenant_id", "webhook_id", "id"])
    of_webhook = ["tenant_id", "webhook_id", "not_before"]
    op.create_index("webhook_delivery_open", "webhook_delivery", of_webhook, postgresql_where=_OPEN)


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _of_webhook() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhook.tenant_id", "webhook.id"], ondelete="CASCADE")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
