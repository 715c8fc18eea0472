"""What the stages work with: made once when the application starts, then passed inward."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlmodel import Session

from retrieval.cache import QueryVectors
from retrieval.export import Exporter
from retrieval.leaks import untold
from retrieval.openings import Openings
from retrieval.profiles.aside import Aside
from retrieval.profiles.profile import Profiles
from retrieval.prompts import require_lock
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.generations import asked, recipe_of
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import IndexGeneration
from vouch.catalog.tables.documents import FIRST_CHUNKER
from vouch.core.context import CONTEXT
from vouch.core.errors import BadConfig, Unavailable
from vouch.core.recipe import Recipe
from vouch.core.settings import Settings
from vouch.embedded.addresses import blob_url, database_url
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.entail import CHAT, Entailer, load_entailer
from vouch.gateway.gateway import Gateway
from vouch.gateway.rerank import Reranker, load_reranker
from vouch.index.lexical import LEXICAL
from vouch.index.protocol import LAYOUT, Index

USUAL = Recipe("", FIRST_CHUNKER, CONTEXT, LEXICAL, LAYOUT)
"""Of a generation that nothing else is known of."""


@dataclass(frozen=True, slots=True)
class Services:
    """``reranker`` None: fused order stands. ``gateway`` without models: answers are verbatim sentences.

    ``generation`` names the index generation that ``index`` serves, ``recipe`` is what it was made by and so what
    queries are made by. A question is asked of one generation alone, from its first stage to its last: the one that
    :meth:`pinned` finds active. ``embedder``: what sentences are compared with. It is the model of the settings;
    ``query_vectors`` are of the generation's, which is another one while a change of the model is under way.
    ``exporter`` tells a collector of each question, where there is one. ``profiles``: how answers may be made;
    ``aside``: where those run that nobody sees, None: they do not. ``entailer`` None: whether a claim follows from
    its quotes is for rules alone to say.
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
    gateway: Gateway
    recipe: Recipe = USUAL
    openings: Openings | None = None
    exporter: Exporter | None = None
    profiles: Profiles = field(default_factory=Profiles)
    aside: Aside | None = None
    entailer: Entailer | None = None

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Connect to the catalog, the blobs and the active index generation, and load the models.

        Raises :class:`BadConfig` without a secret key, :class:`BadPrompt` for a prompt that is not as it was released,
        :class:`Unavailable` while the catalog cannot be reached or no generation is active, and what loading the models
        raises.
        """
        if settings.secret_key is None:
            raise BadConfig("VOUCH_SECRET_KEY is not set.", field="secret_key")
        untold(settings)
        require_lock()
        catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
        with catalog.reading(ACROSS_TENANTS) as session:
            active = active_generation(session)
        embedder, gateway = load_embedder(settings), Gateway.open(settings)
        openings = Openings(settings, embedder)
        opened = openings.of(active)
        return cls(
            settings=settings,
            secret_key=settings.secret_key.get_secret_value(),
            catalog=catalog,
            blobs=Blobs(blob_url(settings)),
            index=opened.index,
            generation=active.id,
            embedder=embedder,
            query_vectors=opened.query_vectors,
            reranker=load_reranker(settings),
            gateway=gateway,
            recipe=opened.recipe,
            openings=openings,
            exporter=Exporter.open(settings),
            profiles=Profiles.open(settings, gateway),
            aside=Aside(),
            entailer=entailer_of(settings, gateway),
        )

    def pinned(self, session: Session) -> Services:
        """These services, with the generation that is active in the session's snapshot.

        Raises :class:`ModelUnavailable` and :class:`BadConfig` where that one cannot be asked.
        """
        if asked(session) == (self.generation, self.recipe):
            return self
        return self.on(active_generation(session))

    def on(self, generation: IndexGeneration) -> Services:
        """These services, with any generation. Raises as :meth:`pinned`."""
        recipe = recipe_of(generation)
        if (generation.id, recipe) == (self.generation, self.recipe):
            return self
        if generation.id == self.generation:
            return replace(self, recipe=recipe)
        if self.openings is None:
            raise Unavailable(f"Generation {generation.id} cannot be opened here.")
        opened = self.openings.of(generation)
        return replace(
            self,
            index=opened.index,
            generation=generation.id,
            query_vectors=opened.query_vectors,
            recipe=opened.recipe,
        )

    def close(self) -> None:
        if self.aside is not None:
            self.aside.close()
        self.gateway.close()
        if self.exporter is not None:
            self.exporter.close()
        self.catalog.close()


def entailer_of(settings: Settings, gateway: Gateway) -> Entailer | None:
    """The entailer that is loaded; none where no chat model writes. Raises :class:`BadConfig` where the setting names a
    chat model that there is not, and as :func:`load_entailer`."""
    name = settings.entailment.removeprefix(CHAT)
    if settings.entailment.startswith(CHAT) and name not in gateway.models:
        raise BadConfig(f"VOUCH_ENTAILMENT names {name}, which is no chat model that is set.", field="entailment")
    return load_entailer(settings) if gateway.models else None
