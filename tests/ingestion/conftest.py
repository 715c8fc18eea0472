"""Ingestion without a Celery worker: the same stages, run in this process until nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from acl.compile import compile_payload
from acl.directory import put_group, put_user
from connectors import registry
from ingestion.jobs import find_job, start_sync, view
from ingestion.parser import Parser
from ingestion.schemas import SourceIn
from ingestion.services import Services
from ingestion.sources import create
from ingestion.stages import resume
from ingestion.work import run_stages
from tests.history import unrecorded
from tests.ingestion.feed import Feed, FeedConnector
from tests.ingestion.wiki import Site, WikiConnector
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import IndexGeneration, Source, Tenant
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.embed import Embedder
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import LEXICAL
from vouch.index.projector import Projector
from vouch.index.verify import Difference, verify

TENANT = "t"
SECRET = SecretStr("of the tests, and long enough for one")

_READY = sa.text(
    "SELECT id, attempts > 0 FROM stage WHERE state = 'ready' AND not_before <= now()"
    " OR state = 'leased' AND leased_until < now() ORDER BY created_at LIMIT 64"
)


@dataclass
class Walk:
    """One tenant's ingestion, driven by hand."""

    services: Services
    index: EdgeIndex

    def add_source(self, name: str = "docs", kind: str = "filesystem", **config: object) -> Source:
        with self.services.catalog.transaction(ACROSS_TENANTS) as session:
            return create(session, TENANT, SourceIn(name=name, kind=kind, config=config), self.services.settings)

    def sync(self, source: Source, kind: str = "incremental") -> Json:
        """Start a sync, do all of it, and return the ended job."""
        with self.services.catalog.transaction(ACROSS_TENANTS) as session:
            job_id, _ = start_sync(session, source, kind)  # type: ignore[arg-type]
        return self.finish(job_id)

    def finish(self, job_id: str) -> Json:
        self.drain()
        with self.services.catalog.reading(ACROSS_TENANTS) as session:
            return view(session, find_job(session, TENANT, job_id))

    def drain(self) -> None:
        """Run stages and the projector, as workers would, until neither has anything to do."""
        while True:
            with self.services.catalog.reading(ACROSS_TENANTS) as session:
                ready = session.execute(_READY).all()
            for some in ([one for one, tried in ready if not tried], *([one] for one, tried in ready if tried)):
                run_stages(self.services, some)  # what was tried before is rung for alone
            if not self.services.projector.catch_up() and not ready:
                return

    def verify(self) -> Difference:
        with self.services.catalog.reading(ACROSS_TENANTS) as session:
            return verify(session, self.index, compile_payload)

    def scalar(self, query: str, **values: object) -> object:
        with self.services.catalog.reading(ACROSS_TENANTS) as session:
            return session.execute(sa.text(query), values).scalar()


@pytest.fixture(scope="session")
def parser() -> Iterator[Parser]:
    """A parser process as a worker has one; it takes a second to start."""
    parser = Parser()
    yield parser
    parser.close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """The kind `wiki` is installed, and this is its one site."""
    kinds = {**registry.connector_kinds(), WikiConnector.kind: WikiConnector}
    monkeypatch.setattr(registry, "connector_kinds", lambda: kinds)
    monkeypatch.setattr(WikiConnector, "sites", {"main": Site()})
    return WikiConnector.sites["main"]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    kinds = {**registry.connector_kinds(), FeedConnector.kind: FeedConnector}
    monkeypatch.setattr(registry, "connector_kinds", lambda: kinds)
    monkeypatch.setattr(resume, "EVERY_S", 0.0)
    monkeypatch.setattr(FeedConnector, "feed", Feed({f"{n}.txt": f"Item {n} is here." for n in range(6)}))
    return FeedConnector.feed


@pytest.fixture
def walk(tmp_path: Path, database_url: str, redis_url: str, embedder: Embedder, parser: Parser) -> Iterator[Walk]:
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_url,
        lease_s=5,
        secret_key="of the tests, and long enough for one",
        outbound_allow="127.0.0.1",  # sites of the tests
    )
    services = Services.open(settings)
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=TENANT, name="T"))
        session.add(
            IndexGeneration(
                id="g1", model=embedder.name, dimensions=embedder.dimensions, chunker="structure.v1", lexical=LEXICAL
            )
        )
        session.flush()
        put_user(session, TENANT, "user:alice", name="Alice", actor="test")
        put_group(session, TENANT, "group:staff", name="Staff", members=["user:alice"], actor="test")
    index = EdgeIndex(tmp_path / "index", "g1")
    # What a process makes for itself on first use is given here: model and parser for all tests, a shard for this one.
    services.__dict__["embedder"] = embedder
    services.__dict__["parser"] = parser
    services.__dict__["projector"] = Projector(services.catalog, lambda _: index, compile_payload)
    yield Walk(services, index)
    with services.catalog.reading(ACROSS_TENANTS) as session:
        assert unrecorded(session) == [], "a write of access that history does not know"
    index.close()
    services.catalog.close()
