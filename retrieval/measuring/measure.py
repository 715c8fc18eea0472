"""Put a set's questions to the index, as its user, and judge what they find: the first half of a question's walk, both
gates included. No trace is left, and of what was found only how good it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from acl.caller import Asker
from acl.recheck import recheck
from acl.resolve import resolve
from retrieval.pipeline import find
from retrieval.services import Services
from retrieval.types import Question
from vouch import __version__
from vouch.catalog.generations import recipe_of
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import EvalSet
from vouch.core.bootstrap import interval
from vouch.core.errors import Unavailable
from vouch.core.ranking import judged
from vouch.core.types import Json

PASSAGES = 100
_NAMED = sa.text(
    """
    SELECT d.id FROM unnest(CAST(:sources AS text[]), CAST(:names AS text[])) AS named(source_id, external_id)
    JOIN document d ON (d.tenant_id, d.source_id, d.external_id) = (:tenant, named.source_id, named.external_id)
    """
)
Name = tuple[str, str]
"""Source id and external id."""


@dataclass(frozen=True, slots=True)
class Measured:
    """``by_question``: every measure, by the question's id. ``missing``: named documents that the user may not read."""

    generation: str
    recipe: Json
    profile: Json
    by_question: Mapping[str, Mapping[str, float]]
    missing: int

    @property
    def figures(self) -> Json:
        """The mean of each measure, with its interval."""
        rows = list(self.by_question.values())
        found = {name: interval([row[name] for row in rows]) for name in (rows[0] if rows else ())}
        return {name: {"mean": one.mean, "low": one.low, "high": one.high} for name, one in found.items()}


def measure(services: Services, own: EvalSet, going_on: Callable[[], None]) -> Measured:
    """``going_on`` is called before each question and may raise to stop the work.

    Raises :class:`Unauthenticated` for a user who is no longer active, :class:`Unavailable` when a part is down or the
    index generation was swapped meanwhile: figures are of one.
    """
    asker = Asker(own.tenant_id, own.user_id, f"evals:{own.id}")
    generation, recipe = _generation(services, own.tenant_id)
    by_question = {}
    for row in own.questions:
        going_on()
        question = Question(row["text"], PASSAGES, mode=own.mode, rerank=own.rerank, plain=True)  # type: ignore[arg-type]
        hits = find(services, asker, question)
        ranking = list(dict.fromkeys(_key((hit.source_id, hit.external_id)) for hit in hits))
        by_question[row["id"]] = judged({_key(name): 1 for name in row["documents"]}, ranking)
    if _generation(services, own.tenant_id)[0] != generation:
        raise Unavailable("The index generation was swapped meanwhile.")
    reranker = services.settings.reranker if own.rerank and services.reranker is not None else "none"
    profile: Json = {"vouch": __version__, "mode": own.mode, "reranker": reranker, "passages": PASSAGES}
    named = {(source, external) for row in own.questions for source, external in row["documents"]}
    return Measured(generation, recipe, profile, by_question, _missing(services, own, named))


def _generation(services: Services, tenant: str) -> tuple[str, Json]:
    with services.catalog.reading(tenant) as session:
        active = active_generation(session)
    return active.id, asdict(recipe_of(active))


def _missing(services: Services, own: EvalSet, named: Iterable[Name]) -> int:
    """Gone and closed are one: the number says nothing of which."""
    names = sorted(named)
    values = {"tenant": own.tenant_id, "sources": [s for s, _ in names], "names": [e for _, e in names]}
    with services.catalog.reading(own.tenant_id) as session:
        access = resolve(session, own.tenant_id, own.user_id)
        there = set(session.execute(_NAMED, values).scalars())
        _, readable = recheck(session, access, there)
    return len(names) - len(readable)


def _key(name: Iterable[str]) -> str:
    return "\0".join(name)
