"""The index's generations as the catalog knows them: which there are, which one is asked, what becomes of each.

    building ─▶ ready ─▶ active ⇄ retired ─▶ removed          (building, ready ─▶ removed as well)

Every state but the last takes the outbox's operations (``vouch/index/projector.py``). A version is handed to the index
only with a vector for each generation that there is: who makes one and who hands over a version exclude each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from vouch.catalog.outbox import active_generation, newest
from vouch.catalog.tables import IndexGeneration
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import Conflict, NotFound, Unavailable
from vouch.core.recipe import Recipe
from vouch.core.types import Json

_HAND_OVER_LOCK = 0x67656E6572  # "gener"
UNDER_WAY = ("building", "ready")
ASKABLE = ("ready", "retired")
"""What may become active."""
LINGERS = timedelta(minutes=5)
"""How long a removed generation can still be asked: a question that began before keeps to it to its end."""
PATIENCE = timedelta(minutes=1)
"""Between two tries to fill a generation that something stands in the way of."""
_ASKED = sa.text("SELECT id, model, chunker, context, lexical, layout FROM index_generation WHERE state = 'active'")
_THIS = sa.update(IndexGeneration).where(col(IndexGeneration.state).in_(("building", "ready", "retired")))


def live(session: Session) -> list[IndexGeneration]:
    """Every generation that takes operations, the active one first."""
    rows = session.exec(select(IndexGeneration).where(col(IndexGeneration.state) != "removed")).all()
    return sorted(rows, key=lambda row: (row.state != "active", number(row)))


def every(session: Session) -> list[IndexGeneration]:
    """All there ever were, the newest first."""
    return sorted(session.exec(select(IndexGeneration)).all(), key=number, reverse=True)


def asked(session: Session) -> tuple[str, Recipe]:
    """The active generation and its recipe, without the rest of it. Raises :class:`Unavailable` before the first
    start."""
    row = session.execute(_ASKED).first()
    if row is None:
        raise Unavailable("No index generation is active yet.")
    return row.id, Recipe(row.model, row.chunker, row.context, row.lexical, row.layout)


def find(session: Session, generation_id: str, *, lock: bool = False) -> IndexGeneration:
    """Raises :class:`NotFound`, also for one that is removed."""
    row = session.get(IndexGeneration, generation_id, with_for_update=lock or None, populate_existing=True)
    if row is None or row.state == "removed":
        raise NotFound("There is no such index generation.")
    return row


def recipe_of(row: IndexGeneration) -> Recipe:
    return Recipe(row.model, row.chunker, row.context, row.lexical, row.layout)


def handing_over(session: Session) -> None:
    """To the end of the transaction no generation is made: those that :func:`live` names are all that there are."""
    session.execute(sa.text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _HAND_OVER_LOCK})


def create(session: Session, recipe: Recipe, embed_model: str, dimensions: int) -> IndexGeneration:
    """A generation to be filled. What the outbox holds by now is what it is filled with; it takes what comes after.

    Raises :class:`Conflict` while another one is being made, and where one of this recipe is there already.
    """
    alone(session)
    for row in live(session):
        if row.state in UNDER_WAY:
            raise Conflict(f"Generation {row.id} is {row.state}: swap to it or drop it first.")
        if recipe_of(row) == recipe:
            raise Conflict(f"Generation {row.id}, which is {row.state}, is of this very recipe.")
    made = IndexGeneration(
        id=f"g{max((number(row) for row in every(session)), default=0) + 1}",
        model=recipe.model,
        embed_model=embed_model,
        dimensions=dimensions,
        chunker=recipe.chunker,
        context=recipe.context,
        lexical=recipe.lexical,
        layout=recipe.layout,
        state="building",
        applied_seq=newest(session),
    )
    session.add(made)
    session.flush()
    return made


def alone(session: Session) -> None:
    """To the end of the transaction no version is handed over to the index."""
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _HAND_OVER_LOCK})


def written_since(session: Session, seq: int) -> list[tuple[str, str, int]]:
    """Tenant, document and number of the versions handed over after ``seq`` that are, or may yet be, current."""
    rows = session.execute(
        sa.text(
            "SELECT DISTINCT d.tenant_id, d.id, o.version FROM index_op o"
            " JOIN document d ON d.tenant_id = o.tenant_id AND d.id = ANY(o.document_ids) AND d.state <> 'deleted'"
            " AND coalesce(d.current_version, 0) <= o.version"
            " WHERE o.seq > :seq AND o.kind = 'write' ORDER BY 1, 2, 3"
        ),
        {"seq": seq},
    )
    return [(tenant, document_id, version) for tenant, document_id, version in rows]


def drop(session: Session, generation_id: str) -> IndexGeneration:
    """Let go of a generation for good. Raises :class:`Conflict` for the active one, and :class:`NotFound`."""
    row = find(session, generation_id, lock=True)
    if row.state == "active":
        raise Conflict(f"Generation {row.id} is the one that is asked.")
    row.state, row.removed_at = "removed", clock.now()
    session.add(row)
    session.flush()
    return row


def activate(session: Session, row: IndexGeneration) -> IndexGeneration:
    """Make ``row``, which has caught up, the one that is asked. Returns the one that was until now.

    Raises :class:`Conflict` unless it is ready, or was active before.
    """
    if row.state not in ASKABLE:
        raise Conflict(f"Generation {row.id} is {row.state}; only one that is ready or retired can be swapped to.")
    former, now = active_generation(session), clock.now()
    former.state, former.retired_at = "retired", now
    session.add(former)
    session.flush()  # there is never more than one
    row.state, row.activated_at = "active", now
    session.add(row)
    session.flush()
    return former


def put_back(session: Session, generation_id: str, detail: str) -> None:
    """A generation that lacks something it should hold is filled again from the beginning, and nothing is swapped to it
    before. Not the active one: nothing may be published that it lacks."""
    values = {"state": "building", "progress": {}, "problem": _told(detail)}
    session.execute(_THIS.where(col(IndexGeneration.id) == generation_id).values(values))


def note_problem(session: Session, generation_id: str, detail: str | None) -> None:
    """What stands in the way of a generation that is not active; None: nothing any more."""
    values = {"problem": None if detail is None else _told(detail)}
    session.execute(_THIS.where(col(IndexGeneration.id) == generation_id).values(values))


def to_fill(session: Session) -> IndexGeneration | None:
    """The generation that is being filled, if there is one and nothing stood in its way a moment ago."""
    for row in live(session):
        if row.state == "building" and not _waits(row):
            return row
    return None


def to_empty(session: Session) -> Sequence[IndexGeneration]:
    """Removed generations that no question can be asking any more, of which there is something left."""
    before = clock.now() - LINGERS
    query = select(IndexGeneration).where(
        col(IndexGeneration.state) == "removed",
        col(IndexGeneration.emptied_at).is_(None),
        col(IndexGeneration.removed_at) < before,
    )
    return session.exec(query).all()


def number(row: IndexGeneration) -> int:
    """The 12 of g12."""
    return int(row.id.removeprefix("g")) if row.id.removeprefix("g").isdecimal() else 0


def _waits(row: IndexGeneration) -> bool:
    return row.problem is not None and clock.now() - datetime.fromisoformat(row.problem["at"]) < PATIENCE


def _told(detail: str) -> Json:
    return {"detail": detail, "at": rfc3339(clock.now())}
