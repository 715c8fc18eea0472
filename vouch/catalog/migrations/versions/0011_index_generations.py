"""Index generations: by what recipe each was made, how far it has come, and chunks by how they were cut

A table of chunks is not written anew for the column: its default is kept beside the rows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FIRST = "structure.v1"
_PACKAGED = "all-MiniLM-L6-v2@%"
_PARTS = (("context", "title-path.v1"), ("lexical", "english.v1"), ("layout", "f32.v1"))
_MOMENTS = ("ready_at", "activated_at", "retired_at", "removed_at", "emptied_at")
_KEY = ["tenant_id", "document_id", "version"]
# Chunks were cut by the tokens of the embedder in use, which a chunker's name says now.
_COUNTED = sa.text("UPDATE index_generation SET chunker = chunker || '@' || model WHERE model NOT LIKE :packaged")
_ACTIVE = sa.text("SELECT chunker FROM index_generation WHERE state = 'active'")


def upgrade() -> None:
    connection = op.get_bind()
    connection.execute(_COUNTED, {"packaged": _PACKAGED})
    cut = connection.execute(_ACTIVE).scalar() or _FIRST
    op.add_column("chunk", sa.Column("chunker", sa.String(), server_default=cut, nullable=False))
    op.alter_column("chunk", "chunker", server_default=_FIRST)
    op.drop_constraint("chunk_pkey", "chunk", type_="primary")
    op.create_primary_key("chunk_pkey", "chunk", [*_KEY, "chunker", "ordinal"])
    op.add_column("index_generation", sa.Column("embed_model", sa.String(), nullable=True))
    for name, first in _PARTS:
        op.add_column("index_generation", sa.Column(name, sa.String(), server_default=first, nullable=False))
    op.add_column("index_generation", sa.Column("progress", postgresql.JSONB(), server_default="{}", nullable=False))
    for name in ("compared", "problem"):
        op.add_column("index_generation", sa.Column(name, postgresql.JSONB(), nullable=True))
    for name in _MOMENTS:
        op.add_column("index_generation", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "index_generation_active", "index_generation", ["state"], unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("index_generation_active", "index_generation")
    for name in (*_MOMENTS, "compared", "problem", "progress", *(part for part, _ in _PARTS), "embed_model"):
        op.drop_column("index_generation", name)
    # One way of cutting is left: the active generation's.
    op.execute("DELETE FROM chunk WHERE chunker <> (SELECT chunker FROM index_generation WHERE state = 'active')")
    op.drop_constraint("chunk_pkey", "chunk", type_="primary")
    op.drop_column("chunk", "chunker")
    op.create_primary_key("chunk_pkey", "chunk", [*_KEY, "ordinal"])
    op.execute("DELETE FROM index_generation WHERE state <> 'active'")
    op.execute("UPDATE index_generation SET chunker = split_part(chunker, '@', 1)")
