"""The recipe that this version of Vouch and its settings make an index by, and what may be asked for instead."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.chunk import CHUNKER, COUNTED_BY, chunker_named
from vouch.core.context import CONTEXT, context_named
from vouch.core.recipe import Recipe
from vouch.core.settings import Settings
from vouch.gateway.embed import embedder_name
from vouch.gateway.weights import locate
from vouch.index.lexical import LEXICAL, analysis_named
from vouch.index.protocol import LAYOUT


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for; None: what is usual. ``embed_model`` as ``VOUCH_EMBED_MODEL`` says it."""

    embed_model: str | None = None
    chunker: str | None = None
    context: str | None = None
    lexical: str | None = None


USUAL = Choice()


def recipe_by(settings: Settings, choice: Choice = USUAL) -> Recipe:
    """Loads no model. Raises :class:`BadConfig` for a name that there is not, :class:`ModelUnavailable`."""
    files = locate(choice.embed_model or settings.embed_model)
    chunker, context, lexical = choice.chunker or CHUNKER, choice.context or CONTEXT, choice.lexical or LEXICAL
    chunker_named(chunker), context_named(context), analysis_named(lexical)
    model = embedder_name(files)
    if not files.pinned:  # its tokens are others, and so are the chunks
        chunker = f"{chunker.partition(COUNTED_BY)[0]}{COUNTED_BY}{model}"
    return Recipe(model, chunker, context, lexical, LAYOUT)
