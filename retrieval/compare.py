"""Two index generations on the same questions: what each finds for who asked, and, where that is judged, how well.

Each question is asked under its user's access of today, and passes gate 2. What comes of it are figures: no question,
no document and no user is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import resolve
from retrieval.fuse import fuse
from retrieval.guard import guard_input
from retrieval.recheck import Wanted, recheck_candidates
from retrieval.search import search
from retrieval.services import Services
from retrieval.types import Question
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.generations import find
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import IndexGeneration
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import Conflict, InvalidInput, Unauthenticated
from vouch.core.ranking import ndcg
from vouch.core.types import Json

BEST = 10
"""Documents of each ranking that count."""
DEPTH = 60
_ASKED = sa.text(
    """
    SELECT user_id, query FROM (
        SELECT DISTINCT ON (t.user_id, t.query) t.user_id, t.query, t.created_at FROM trace t
        JOIN app_user u ON u.tenant_id = t.tenant_id AND u.id = t.user_id AND u.active
        WHERE t.tenant_id = :tenant ORDER BY t.user_id, t.query, t.created_at DESC) asked
    ORDER BY created_at DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Asked:
    """``relevant``: external ids of the documents that answer it, with their grades; none: not judged."""

    user: str
    query: str
    relevant: Mapping[str, int] = field(default_factory=dict)


def asked_questions(session: Session, tenant: str, limit: int) -> list[Asked]:
    """What was asked last, each question of each user once."""
    return [Asked(*row) for row in session.execute(_ASKED, {"tenant": tenant, "limit": limit})]


def compare(services: Services, tenant: str, generation_id: str, questions: Sequence[Asked]) -> Json:
    """Ask the active generation and another one. The figures are kept with the other one.

    Raises :class:`NotFound`, :class:`Conflict` where they are one, and one that is not filled yet; and
    :class:`InvalidInput` where there is no question that can be asked.
    """
    with services.catalog.reading(tenant) as session:
        other, active = find(session, generation_id), active_generation(session)
    if other.id == active.id or other.state == "building":
        raise Conflict(f"Generation {other.id} is {other.state}: there is nothing to compare.")
    ours, theirs = services.on(active), services.on(other)
    pairs: list[tuple[Asked, list[str], list[str]]] = []
    for asked in questions:
        try:
            pairs.append((asked, _ranking(ours, tenant, asked), _ranking(theirs, tenant, asked)))
        except (InvalidInput, Unauthenticated):
            continue  # nobody asks that any more
    if not pairs:
        raise InvalidInput("no question can be asked", field="questions")
    found = {"with": active.id, "at": rfc3339(clock.now()), **_figures(pairs)}
    _keep(services, other, found)
    return found


def _ranking(services: Services, tenant: str, asked: Asked) -> list[str]:
    """External ids of the documents found, best first."""
    question = guard_input(Question(asked.query, BEST), field="query")
    with services.catalog.reading(tenant) as session:
        access = resolve(session, tenant, asked.user)
    found = search(services, access, question.text, question, DEPTH)
    admitted = recheck_candidates(services, access, found.hits, fuse(found.hits), Wanted(DEPTH, DEPTH, DEPTH))
    return list(dict.fromkeys(hit.external_id for hit in admitted.hits))[:BEST]


def _figures(pairs: Sequence[tuple[Asked, list[str], list[str]]]) -> Json:
    judged = [(asked.relevant, a, b) for asked, a, b in pairs if asked.relevant]
    told: Json = {
        "questions": len(pairs),
        "same_first": _share(a[:1] == b[:1] for _, a, b in pairs),
        f"overlap_{BEST}": round(mean(_overlap(a, b) for _, a, b in pairs), 4),
        "judged": len(judged),
    }
    if judged:
        told[f"ndcg_{BEST}"] = {
            "active": round(mean(ndcg(relevant, a, BEST) for relevant, a, _ in judged), 4),
            "other": round(mean(ndcg(relevant, b, BEST) for relevant, _, b in judged), 4),
        }
        told["better"] = sum(ndcg(relevant, b, BEST) > ndcg(relevant, a, BEST) for relevant, a, b in judged)
        told["worse"] = sum(ndcg(relevant, b, BEST) < ndcg(relevant, a, BEST) for relevant, a, b in judged)
    return told


def _overlap(a: Sequence[str], b: Sequence[str]) -> float:
    """Shared of the longer one; 1 where both found nothing."""
    return len({*a} & {*b}) / max(len(a), len(b)) if a or b else 1.0


def _share(answers: Iterable[bool]) -> float:
    return round(mean(map(float, answers)), 4)


def _keep(services: Services, other: IndexGeneration, found: Json) -> None:
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        find(session, other.id, lock=True).compared = found
