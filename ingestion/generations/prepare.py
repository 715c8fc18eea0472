"""What a version needs before a generation can hold it: chunks as that one cuts, and a vector for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from sqlmodel import Session

from ingestion.generations.cut import cut
from ingestion.services import Services
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.generations import put_back
from vouch.catalog.tables import IndexGeneration
from vouch.catalog.vectors import Named, chunks_of, keep, unembedded
from vouch.core.errors import VouchError
from vouch.index.points import batched

log = logging.getLogger(__name__)

SLICE = 64
"""Texts embedded and stored together, a second's work or less: a worker that is stopped loses no more than these, and
who has few documents waits no longer than for these."""

FAILS = (VouchError, RuntimeError, ValueError, OSError)
"""What making ready for a generation may raise: a model, or a part, that is not there or does not work."""


def told(error: Exception) -> str:
    """For people. A library's message may quote a document: it goes to the log alone."""
    return error.detail if isinstance(error, VouchError) else type(error).__name__


def prepare(services: Services, tenant: str, versions: Sequence[Named], generation: IndexGeneration) -> None:
    """Make what is missing. Nothing that is known is embedded again."""
    with services.catalog.reading(tenant) as session:
        uncut = [version for version, chunks in chunks_of(session, tenant, versions, generation).items() if not chunks]
    cut(services, tenant, uncut, generation)
    embed_for(services, tenant, versions, generation)


def fall_back(services: Services, generation_id: str, detail: str) -> None:
    """A generation that a version cannot be prepared for is filled again when that can be done."""
    log.warning("generation %s is put back: %s", generation_id, detail)
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        put_back(session, generation_id, detail)


def lacking(session: Session, tenant: str, versions: Sequence[Named], generation: IndexGeneration) -> bool:
    """Whether anything is missing of any of ``versions``."""
    if not all(chunks_of(session, tenant, versions, generation).values()):
        return True
    return bool(unembedded(session, tenant, versions, generation))


def embed_for(
    services: Services,
    tenant: str,
    versions: Sequence[Named],
    generation: IndexGeneration,
    ends: Callable[[], bool] = lambda: False,
) -> bool:
    """Embed what the chunks of ``versions`` lack, alike lengths together, and store it slice by slice. ``ends`` is
    asked between two slices; False when it ended there, before all was done."""
    with services.catalog.reading(tenant) as session:
        unknown = unembedded(session, tenant, versions, generation)
    if not unknown:
        return True
    embedder = services.embedder_of(generation)
    # By what is embedded and not by characters: slices are then padded no more than all in one would be.
    lengths = dict(zip(unknown, embedder.count_tokens(list(unknown.values())), strict=True))
    for number, some in enumerate(batched(sorted(unknown.items(), key=lambda one: -lengths[one[0]]), SLICE)):
        if number and ends():
            return False
        vectors = embedder.embed([text for _, text in some])
        made = {hash_: vector.astype("<f4").tobytes() for (hash_, _), vector in zip(some, vectors, strict=True)}
        with services.catalog.transaction(tenant, durable=False) as session:
            keep(session, tenant, generation.model, made)
    return True
