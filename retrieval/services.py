"""What the stages work with: made once when the application starts, then passed inward."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.cache import QueryVectors
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.outbox import active_generation
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings
from vouch.embedded.addresses import blob_url, database_url
from vouch.gateway.chat import ChatModel, load_chat
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.rerank import Reranker, load_reranker
from vouch.index.open import open_index
from vouch.index.protocol import Index


@dataclass(frozen=True, slots=True)
class Services:
    """``reranker`` None: fused order stands. ``chat`` None: answers are verbatim sentences.

    ``generation`` names the index generation that ``index`` serves.
    """

    settings: Settings
    secret_key: str
    catalog: Catalog
    blobs: Blobs
    index: Index
    generation: str
    embedder: Embedder
    query_vectors: QueryVectors
    reranker: Reranker | None
    chat: ChatModel | None

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Connect to the catalog, the blobs and the active index generation, and load the models.

        Raises :class:`BadConfig` without a secret key, :class:`Unavailable` while the catalog cannot be reached
        or no generation is active, and what loading the models raises.
        """
        if settings.secret_key is None:
            raise BadConfig("VOUCH_SECRET_KEY is not set.", field="secret_key")
        catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
        with catalog.reading(ACROSS_TENANTS) as session:
            generation = active_generation(session).id
        embedder = load_embedder(settings)
        return cls(
            settings=settings,
            secret_key=settings.secret_key.get_secret_value(),
            catalog=catalog,
            blobs=Blobs(blob_url(settings)),
            index=open_index(settings, generation),
            generation=generation,
            embedder=embedder,
            query_vectors=QueryVectors(embedder),
            reranker=load_reranker(settings),
            chat=load_chat(settings),
        )

    def close(self) -> None:
        self.catalog.close()
