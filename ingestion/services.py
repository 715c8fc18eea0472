"""What ingestion stands on, made once per process. The embedder and the index are opened when first used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

from celery import Celery
from redis import Redis

from acl.compile import compile_payload
from ingestion.doorbell import make_celery, ring, ring_projector
from ingestion.mail.letters import Desk
from ingestion.parser import Parser
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import Catalog
from vouch.catalog.tables import IndexGeneration
from vouch.core.settings import Settings
from vouch.embedded.addresses import blob_url, database_url, redis_broker_url, redis_client_url
from vouch.gateway.embed import Embedder, load_embedder, load_named
from vouch.index.open import drop_index, open_index
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
        return load_embedder(self._sharing)

    @property
    def _sharing(self) -> Settings:
        threads = max(1, self.settings.embed_threads // self.settings.worker_processes)
        return self.settings.model_copy(update={"embed_threads": threads})

    def embedder_of(self, generation: IndexGeneration) -> Embedder:
        """The model of a generation, which need not be that of the settings. Raises :class:`ModelUnavailable`."""
        if generation.model not in self._embedders:
            ours = self.embedder
            self._embedders[generation.model] = (
                ours
                if generation.model == ours.name
                else load_named(self._sharing, generation.embed_model, generation.model)
            )
        return self._embedders[generation.model]

    @cached_property
    def _embedders(self) -> dict[str, Embedder]:
        return {}

    @cached_property
    def projector(self) -> Projector:
        return Projector(self.catalog, partial(open_index, self.settings), compile_payload)

    def drop(self, generation_id: str) -> bool:
        """Remove the points of a generation; False when there were none."""
        return drop_index(self.settings, generation_id)

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
