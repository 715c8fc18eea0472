"""Releases of profiles, what ran beside answers unseen, and by what each answer was made"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
TABLES = ("profile_release", "shadow_run")


def upgrade() -> None:
    op.add_column("answer", _json("made_by"))
    op.create_table(
        "profile_release",
        *_texts("tenant_id", "id", "workflow"),
        sa.Column("n", sa.Integer(), nullable=False),
        *_texts("stable", "stable_digest", "canary", "canary_digest", nullable=True),
        sa.Column("canary_percent", sa.Integer(), nullable=True),
        *_texts("shadow", "shadow_digest", nullable=True),
        sa.Column("shadow_percent", sa.Integer(), nullable=True),
        *_texts("before", nullable=True),
        *_texts("verb", "by"),
        _moment("at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        sa.UniqueConstraint("tenant_id", "workflow", "n"),
    )
    op.create_table(
        "shadow_run",
        *_texts("tenant_id", "answer_id", "release_id", "profile", "digest", "outcome"),
        _json("shown"),
        sa.Column("figures", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("overlap", sa.Float(), nullable=True),
        _moment("at"),
        sa.PrimaryKeyConstraint("tenant_id", "answer_id"),
        sa.ForeignKeyConstraint(["tenant_id", "answer_id"], ["answer.tenant_id", "answer.id"], ondelete="CASCADE"),
    )
    op.create_index("shadow_run_at", "shadow_run", ["tenant_id", "at"])
    mine = "tenant_id = current_setting('vouch.tenant', true)"
    for table in TABLES:  # what was released is history: nobody changes it, or takes it away
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default="{}", nullable=False)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("answer", "made_by")
