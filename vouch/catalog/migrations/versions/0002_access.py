"""Access that is proved: row-level security, history by epoch, identities from outside, audit, break-glass"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = "vouch_tenant"
# Roles belong to the whole server: an administrator or another database may have made this one, perhaps at this moment.
_MAKE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        BEGIN
            CREATE ROLE {ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, '{ROLE}', 'MEMBER') THEN
        GRANT {ROLE} TO CURRENT_USER;
    END IF;
END $$
"""
OF_ONE_TENANT = (
    "acl", "answer", "api_key", "app_group", "app_user", "break_glass", "chunk", "citation", "clause", "conversation",
    "document", "document_version", "embedding", "feedback", "index_op", "issuer", "job", "membership",
    "notification", "scim_resource", "source", "stage", "trace", "audit_head",
)  # fmt: skip
ONLY_ADDED_TO = ("authz_event", "user_change", "membership_change", "document_change", "audit_entry")


def upgrade() -> None:
    _history()
    _identities()
    _audit()
    op.add_column("api_key", sa.Column("created_by", sa.String(), nullable=True))
    op.add_column("answer", sa.Column("proof", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("document", sa.Column("access_problem", postgresql.JSONB(), nullable=True))
    op.drop_index("document_supersedes", table_name="document")
    op.create_index(
        "document_superseding",
        "document",
        ["tenant_id", "source_id"],
        postgresql_where=sa.text("cardinality(supersedes) > 0"),
    )
    _row_level_security()


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _epoch() -> sa.Column[Any]:
    return sa.Column("epoch", sa.BigInteger(), nullable=False)


def _table(name: str, *columns: sa.Column[Any], key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        _text("tenant_id"),
        *columns,
        sa.PrimaryKeyConstraint("tenant_id", *key),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    )


def _history() -> None:
    for table in ("app_user", "app_group"):
        op.add_column(table, _moment("memberships_read_at", nullable=True))
    _table("user_change", _text("user_id"), _epoch(), sa.Column("active", sa.Boolean()), key=("user_id", "epoch"))
    _table(
        "membership_change",
        _text("group_id"),
        _text("member"),
        _epoch(),
        sa.Column("present", sa.Boolean(), nullable=False),
        key=("group_id", "member", "epoch"),
    )
    op.create_index("membership_change_by_member", "membership_change", ["tenant_id", "member", "epoch"])
    _table(
        "document_change",
        _text("document_id"),
        _epoch(),
        _text("acl_id", nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("published", postgresql.JSONB(), nullable=True),
        key=("document_id", "epoch"),
    )
    # History begins with what is there now, under the epoch of now.
    op.add_column("tenant", sa.Column("history_from", sa.BigInteger(), server_default="1", nullable=False))
    op.execute("UPDATE tenant SET history_from = authz_epoch")
    op.execute(
        "INSERT INTO user_change SELECT u.tenant_id, u.id, t.authz_epoch, u.active"
        " FROM app_user u JOIN tenant t ON t.id = u.tenant_id"
    )
    op.execute(
        "INSERT INTO membership_change SELECT m.tenant_id, m.group_id, m.member, t.authz_epoch, true"
        " FROM membership m JOIN tenant t ON t.id = m.tenant_id"
    )
    op.execute("UPDATE document SET acl_id = NULL WHERE state = 'deleted'")
    op.execute(
        "INSERT INTO document_change SELECT d.tenant_id, d.id, t.authz_epoch, d.acl_id, d.state = 'deleted'"
        " FROM document d JOIN tenant t ON t.id = d.tenant_id"
    )


def _identities() -> None:
    _table(
        "issuer",
        _text("id"),
        _text("url", nullable=True),
        _text("audience", nullable=True),
        sa.Column("algorithms", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        _text("jwks_uri", nullable=True),
        sa.Column("jwks", postgresql.JSONB(), nullable=True),
        _text("user_claim"),
        _text("groups_claim", nullable=True),
        sa.Column("provision", sa.Boolean(), nullable=False),
        sa.Column("leeway_s", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _moment("created_at", now=True),
        _moment("updated_at", now=True),
        key=("id",),
    )
    op.create_unique_constraint(None, "issuer", ["url", "audience"])
    op.create_table(
        "scim_resource",
        _text("tenant_id"),
        _text("id"),
        _text("issuer_id"),
        _text("kind"),
        _text("principal"),
        _text("user_name"),
        _text("external_id", nullable=True),
        sa.Column("attributes", postgresql.JSONB(), server_default="{}", nullable=False),
        _moment("created_at", now=True),
        _moment("updated_at", now=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "issuer_id"], ["issuer.tenant_id", "issuer.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("tenant_id", "issuer_id", "kind", "user_name"),
        sa.UniqueConstraint("tenant_id", "principal"),
    )
    op.create_index("scim_resource_by_external_id", "scim_resource", ["tenant_id", "issuer_id", "external_id"])


def _audit() -> None:
    _table(
        "audit_entry",
        _text("chain"),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        _moment("at"),
        _text("actor"),
        _text("action"),
        _text("subject"),
        sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        _text("mac"),
        key=("chain", "seq"),
    )
    op.create_index("audit_by_subject", "audit_entry", ["tenant_id", "subject"])
    op.create_index("audit_by_moment", "audit_entry", ["tenant_id", "at", "chain", "seq"])
    _table(
        "audit_head",
        _text("chain"),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        _text("mac"),
        key=("chain",),
    )
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    _table(
        "break_glass",
        _text("id"),
        _text("user_id"),
        _text("document_id"),
        sa.Column("reason", sa.Text(), nullable=False),
        _text("granted_by"),
        _moment("created_at", now=True),
        _moment("expires_at"),
        _moment("first_read_at", nullable=True),
        _moment("ended_at", nullable=True),
        key=("id",),
    )
    _table(
        "notification",
        _text("id"),
        _text("user_id"),
        _text("kind"),
        _text("document_id", nullable=True),
        sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        _moment("created_at", now=True),
        _moment("seen_at", nullable=True),
        key=("id",),
    )
    op.create_index("notification_by_user", "notification", ["tenant_id", "user_id", "created_at"])


def _row_level_security() -> None:
    op.execute(_MAKE_ROLE)
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT, UPDATE ON tenant TO {ROLE}")
    op.execute(f"GRANT SELECT ON index_generation TO {ROLE}")
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(OF_ONE_TENANT)} TO {ROLE}")
    op.execute(f"GRANT SELECT, INSERT ON {', '.join(ONLY_ADDED_TO)} TO {ROLE}")
    op.execute(f"REVOKE DELETE ON audit_head FROM {ROLE}")  # a chain is never begun anew
    for table, column in (("tenant", "id"), *((name, "tenant_id") for name in (*OF_ONE_TENANT, *ONLY_ADDED_TO))):
        mine = f"{column} = current_setting('vouch.tenant', true)"
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY one_tenant ON {table} TO {ROLE} USING ({mine}) WITH CHECK ({mine})")


def downgrade() -> None:
    for table in ("tenant", *OF_ONE_TENANT, *ONLY_ADDED_TO):
        op.execute(f"DROP POLICY one_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
    op.execute(f"REVOKE ALL ON index_generation FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON ALL SEQUENCES IN SCHEMA public FROM {ROLE}")
    op.drop_index("document_superseding", table_name="document")
    op.create_index("document_supersedes", "document", ["supersedes"], postgresql_using="gin")
    op.drop_column("document", "access_problem")
    op.drop_column("answer", "proof")
    op.drop_column("api_key", "created_by")
    for table in ("notification", "break_glass", "audit_head", "audit_entry", "scim_resource", "issuer"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
    for table in ("document_change", "membership_change", "user_change"):
        op.drop_table(table)
    op.drop_column("tenant", "history_from")
    for table in ("app_group", "app_user"):
        op.drop_column(table, "memberships_read_at")
