"""A catalog of the documents that an index of the bench holds, written straight into PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from acl import directory
from acl.assign import assign
from acl.keys import create_key
from evals.bench.askers import TENANT, Asker
from evals.bench.corpus import DIMENSIONS, PER_DOCUMENT
from evals.bench.footprint import Ground
from evals.bench.recall import GENERATION
from retrieval.cache import QueryVectors
from retrieval.services import Services
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.migrate import migrate
from vouch.catalog.tables import IndexGeneration, Source, Tenant
from vouch.catalog.tables.documents import FIRST_CHUNKER
from vouch.core.settings import Settings
from vouch.embedded.addresses import blob_url, database_url
from vouch.embedded.platform import running_platform
from vouch.gateway.embed import load_embedder
from vouch.gateway.gateway import Gateway
from vouch.index.lexical import LEXICAL
from vouch.index.protocol import Index

SECRET = "of the bench, and long enough for a key"  # noqa: S105 - opens nothing but what the bench made

_ROWS = (
    """
    INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime, language, state, fingerprint,
        last_version, current_version)
    SELECT :t, d::text, 's', d::text, 'Document ' || d, '', 'text/plain', 'en', 'live', '', 1, 1
    FROM generate_series(0, :n - 1) d
    """,
    """
    INSERT INTO document_version (tenant_id, document_id, version, raw, raw_bytes, text, chunks, meta, published_at)
    SELECT :t, d::text, 1, '-', 1, '-', :each, '{"mime": "text/plain", "language": "en"}', now()
    FROM generate_series(0, :n - 1) d
    """,
    """
    INSERT INTO chunk (tenant_id, document_id, version, chunker, ordinal, span_start, span_end, kind, place, text,
        text_hash)
    SELECT :t, d::text, 1, :chunker, o, o * 800, o * 800 + 799, 'text', 'paragraph ' || o + 1,
        repeat('Paragraph ' || o || ' of document ' || d || ' says what it has to say. ', 14), md5(d || '-' || o)
    FROM generate_series(0, :n - 1) d, generate_series(0, :each - 1) o
    """,
)


@contextmanager
def opened(ground: Ground, askers: Sequence[Asker], index: Index) -> Iterator[tuple[Services, str]]:
    """Services over a new catalog, with the n th asker as ``user:asker-n``; and a key that acts for any of them."""
    with tempfile.TemporaryDirectory(prefix="vouch-bench-") as folder:
        settings = Settings(data_dir=Path(folder) / "data")
        with running_platform(settings) as running:
            catalog = Catalog(database_url(running.settings), audit_key=SECRET.encode())
            try:
                migrate(catalog)
                services = _services(running.settings, catalog, index)
                key = _fill(services, ground, askers)
                yield services, key
            finally:
                catalog.close()


def _services(settings: Settings, catalog: Catalog, index: Index) -> Services:
    embedder = load_embedder(settings)
    return Services(
        settings=settings,
        secret_key=SECRET,
        catalog=catalog,
        blobs=Blobs(blob_url(settings)),
        index=index,
        generation=GENERATION,
        embedder=embedder,
        query_vectors=QueryVectors(embedder),
        reranker=None,
        gateway=Gateway(),
    )


def _fill(services: Services, ground: Ground, askers: Sequence[Asker]) -> str:
    documents = len(ground.corpus.subject)
    values = {"t": TENANT, "n": documents, "each": PER_DOCUMENT, "chunker": FIRST_CHUNKER}
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=TENANT, name="Bench"))
        session.add(
            IndexGeneration(
                id=GENERATION, model=services.embedder.name, dimensions=DIMENSIONS, chunker=FIRST_CHUNKER,
                lexical=LEXICAL,
            )
        )  # fmt: skip
        session.flush()
        session.add(Source(tenant_id=TENANT, id="s", name="s", kind="push"))
        session.flush()
        for statement in _ROWS:
            session.execute(sa.text(statement), values)
        members: dict[str, list[str]] = {}
        for n, asker in enumerate(askers):
            directory.put_user(session, TENANT, f"user:asker-{n}", name=f"Asker {n}", actor="bench")
            for group in asker.access.principals:
                if group.startswith("group:"):
                    members.setdefault(group, []).append(f"user:asker-{n}")
        for group, inside in members.items():
            directory.put_group(session, TENANT, group, name=group, members=inside, actor="bench")
    for some in _some(range(documents)):
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            assign(session, TENANT, {str(d): ground.population.clauses(d) for d in some}, actor="bench")
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("ANALYZE"))
        scopes = ("ask", "act_as")
        return create_key(session, SECRET, TENANT, name="bench", scopes=scopes, actor="bench").secret


def _some(documents: range) -> Iterator[range]:
    for first in range(0, len(documents), 1_000):
        yield documents[first : first + 1_000]
