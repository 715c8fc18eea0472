"""Mail: addresses, subscriptions, the schedule of reports, deliveries; managers of groups"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
TABLES = ("mail_address", "report_subscription", "report_schedule", "report_delivery", "group_manager")
_OPEN = sa.text("state in ('waiting', 'sending')")


def upgrade() -> None:
    op.create_table(
        "mail_address",
        *_texts("tenant_id", "user_id"),
        *_texts("address", "set_by", nullable=True),
        _moment("set_at", nullable=True),
        *_texts("pending", nullable=True),
        _moment("pending_since", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
        _of("user_id", "app_user"),
    )
    op.create_table(
        "report_subscription",
        *_texts("tenant_id", "user_id"),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        _moment("changed_at", now=True),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
        _of("user_id", "app_user"),
    )
    op.create_table(
        "report_schedule",
        *_texts("tenant_id"),
        *_texts("schedule", nullable=True),
        sa.Column("send_to", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        _moment("next_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    )
    _deliveries()
    op.create_table(
        "group_manager",
        *_texts("tenant_id", "group_id", "user_id"),
        sa.PrimaryKeyConstraint("tenant_id", "group_id", "user_id"),
        _of("group_id", "app_group"),
        _of("user_id", "app_user"),
    )
    _row_level_security()


def _row_level_security() -> None:
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _deliveries() -> None:
    op.create_table(
        "report_delivery",
        *_texts("tenant_id", "id", "user_id", "kind"),
        _moment("period"),
        *_texts("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        _moment("leased_until", nullable=True),
        _moment("not_before", now=True),
        _moment("rung_at", nullable=True),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        _moment("created_at", now=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        _of("user_id", "app_user"),
        sa.UniqueConstraint("tenant_id", "user_id", "kind", "period"),
    )
    op.create_index("report_delivery_open", "report_delivery", ["not_before"], postgresql_where=_OPEN)


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _of(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], ondelete="CASCADE")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
