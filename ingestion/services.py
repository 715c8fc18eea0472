"""What ingestion stands on, made once per process. The embedder and the index are opened when first used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from celery import Celery
from redis import Redis

from acl.compile import compile_payload
from ingestion.doorbell import make_celery, ring, ring_projector
from ingestion.mail.letters import Desk
from ingestion.parser import Parser
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.outbox import active_generation
from vouch.core.settings import Settings
from vouch.embedded.addresses import blob_url, database_url, redis_broker_url, redis_client_url
from vouch.gateway.embed import Embedder, load_embedder
from vouch.index.open import open_index
from vouch.index.projector import Projector


@dataclass(frozen=True)
class Services:
    """One process's connections. ``bell`` rings workers and holds no truth."""

    settings: Settings
    catalog: Catalog
    blobs: Blobs
    bell: Celery
    redis: Redis

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Connect lazily: nothing here fails while a server is still starting."""
        return cls(
            settings,
            Catalog(database_url(settings), audit_key=settings.audit_key),
            Blobs(blob_url(settings)),
            make_celery(redis_broker_url(settings)),
            Redis.from_url(redis_client_url(settings), socket_timeout=5, socket_connect_timeout=2),
        )

    @cached_property
    def embedder(self) -> Embedder:
        """A worker's processes share the threads, so together they use no more than one embedder would."""
        threads = max(1, self.settings.embed_threads // self.settings.worker_processes)
        return load_embedder(self.settings.model_copy(update={"embed_threads": threads}))

    @cached_property
    def projector(self) -> Projector:
        with self.catalog.reading(ACROSS_TENANTS) as session:
            generation = active_generation(session).id
        return Projector(self.catalog, open_index(self.settings, generation), compile_payload)

    @cached_property
    def parser(self) -> Parser:
        return Parser(memory_mb=self.settings.parse_memory_mb, cpu_s=self.settings.parse_cpu_s)

    @cached_property
    def desk(self) -> Desk | None:
        """Where mail is written; None where no mail server is set. Raises :class:`BadConfig`."""
        return Desk.of(self.settings)

    def ring(self, stage: str, ids: list[str]) -> None:
        """Tell the workers about stages that are ready. A lost ring is rung again by the scheduler."""
        ring(self.bell, stage, ids)

    def ring_projector(self) -> None:
        ring_projector(self.bell, self.redis)
