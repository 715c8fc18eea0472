"""The index generations that this process can ask: each with the model that its queries are made by, loaded once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from retrieval.cache import QueryVectors
from vouch.catalog.generations import recipe_of
from vouch.catalog.tables import IndexGeneration
from vouch.core.errors import BadConfig
from vouch.core.recipe import Recipe
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder, load_named
from vouch.index.lexical import analysis_named
from vouch.index.open import open_index
from vouch.index.protocol import LAYOUT, Index

KEPT = 2
"""Generations kept open: the one that is asked and the one before, which may be asked again."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One generation, and what makes queries for it."""

    index: Index
    query_vectors: QueryVectors
    recipe: Recipe


class Openings:
    """Opens generations when they are first asked for. Threads may share it."""

    def __init__(self, settings: Settings, embedder: Embedder, open_: Callable[[str], Index] | None = None) -> None:
        """``embedder`` is the one of the settings; ``open_`` opens a generation's index by its name."""
        self._settings, self._embedder = settings, embedder
        self._open = open_ or (lambda generation: open_index(settings, generation))
        self._opened: dict[str, Opened] = {}
        self._lock = threading.Lock()

    def of(self, generation: IndexGeneration) -> Opened:
        """Loads a model where the generation has one that no other has: the first question waits for that.

        Raises :class:`ModelUnavailable` for a model that is not there, :class:`BadConfig` for a recipe that this
        version of Vouch cannot follow.
        """
        with self._lock:
            found = self._opened.pop(generation.id, None) or self._new(generation)
            while len(self._opened) >= KEPT:
                del self._opened[next(iter(self._opened))]
            self._opened[generation.id] = found  # the last is the one that was asked last
            return found

    def _new(self, generation: IndexGeneration) -> Opened:
        recipe = recipe_of(generation)
        analysis_named(recipe.lexical)
        if recipe.layout != LAYOUT:
            raise BadConfig(f"generation {generation.id} is laid out as {recipe.layout!r}, not {LAYOUT!r}")
        return Opened(self._open(generation.id), self._query_vectors(generation), recipe)

    def _query_vectors(self, generation: IndexGeneration) -> QueryVectors:
        for other in self._opened.values():
            if other.recipe.model == generation.model:
                return other.query_vectors
        if generation.model == self._embedder.name:
            return QueryVectors(self._embedder)
        return QueryVectors(load_named(self._settings, generation.embed_model, generation.model))
