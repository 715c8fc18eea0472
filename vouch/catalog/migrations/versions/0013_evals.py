"""Evaluation sets of tenants, and their runs"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
TABLES = ("eval_set", "eval_run")
_OPEN = sa.text("state in ('queued', 'running')")
_UNTOLD = sa.text("NOT told")


def upgrade() -> None:
    op.create_table(
        "eval_set",
        *_texts("tenant_id", "id", "name", "user_id"),
        _json("questions", "[]"),
        *_texts("digest", "mode"),
        sa.Column("rerank", sa.Boolean(), nullable=False),
        *_texts("schedule", nullable=True),
        _moment("next_at", nullable=True),
        *_texts("baseline", nullable=True),
        _moment("created_at", now=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        sa.UniqueConstraint("tenant_id", "name"),
    )
    _runs()
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _runs() -> None:
    op.create_table(
        "eval_run",
        *_texts("tenant_id", "id", "set_id", "digest", "user_id", "state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        _moment("leased_until", nullable=True),
        *_texts("generation", nullable=True),
        *(_json(name, "{}") for name in ("recipe", "profile")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("questions", "missing")),
        *(_json(name, "{}") for name in ("figures", "measured")),
        _json("drift", "[]"),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        _moment("created_at"),
        *(_moment(name, nullable=True) for name in ("started_at", "finished_at")),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "set_id"], ["eval_set.tenant_id", "eval_set.id"], ondelete="CASCADE"),
    )
    op.create_index("eval_run_of", "eval_run", ["tenant_id", "set_id", "id"])
    op.create_index("eval_run_open", "eval_run", ["id"], postgresql_where=_OPEN)
    op.create_index("eval_run_untold", "eval_run", ["id"], postgresql_where=_UNTOLD)


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _json(name: str, empty: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=empty, nullable=False)


def _moment(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
