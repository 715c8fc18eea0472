"""Releases of profiles: which state holds for a tenant and its workflows, and how it is followed by another.

A state is a row that is never changed, so a question reads in its snapshot what holds, going back is one more row, and
the history is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core.errors import Conflict
from vouch.core.ids import new_id

EVERY = ""
"""The workflow of what holds for the whole tenant."""

_CURRENT = sa.text(
    """
    SELECT DISTINCT ON (workflow) * FROM profile_release
    WHERE tenant_id = :tenant AND (CAST(:workflows AS text[]) IS NULL OR workflow = ANY(CAST(:workflows AS text[])))
    ORDER BY workflow, n DESC
    """
)
_HISTORY = sa.text(
    """
    SELECT * FROM profile_release
    WHERE tenant_id = :tenant AND (CAST(:workflow AS text) IS NULL OR workflow = :workflow)
    ORDER BY at DESC, id DESC LIMIT :limit
    """
)
_ONE = sa.text("SELECT * FROM profile_release WHERE tenant_id = :tenant AND id = :id")
# Two that change the same at once follow each other, and neither goes by a state that holds no more.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('release ' || :tenant || ' ' || :workflow, 0))")
_APPEND = sa.text(
    """
    INSERT INTO profile_release (tenant_id, id, workflow, n, stable, stable_digest, canary, canary_digest,
        canary_percent, shadow, shadow_digest, shadow_percent, before, verb, by)
    VALUES (:tenant, :id, :workflow, :n, :stable, :stable_digest, :canary, :canary_digest, :canary_percent, :shadow,
        :shadow_digest, :shadow_percent, :before, :verb, :by) RETURNING *
    """
)


@dataclass(frozen=True, slots=True)
class Named:
    """A profile by its name, what it says by its digest, and, where not everybody gets it, for how many of a
    hundred."""

    name: str
    digest: str
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What of profiles serves. Without ``stable`` nothing is released, and there is nothing else."""

    stable: Named | None = None
    canary: Named | None = None
    shadow: Named | None = None


def state_of(row: Any | None) -> State:
    """Nothing is released where there is no row."""
    if row is None:
        return State()
    canary = Named(row.canary, row.canary_digest, row.canary_percent) if row.canary else None
    shadow = Named(row.shadow, row.shadow_digest, row.shadow_percent) if row.shadow else None
    return State(Named(row.stable, row.stable_digest) if row.stable else None, canary, shadow)


def current(session: Session, tenant: str, workflows: Sequence[str] | None = None) -> dict[str, Any]:
    """The row that holds, by workflow; of those named, or of all."""
    given = {"tenant": tenant, "workflows": None if workflows is None else list(workflows)}
    return {row.workflow: row for row in session.execute(_CURRENT, given)}


def holding(session: Session, tenant: str, workflow: str | None) -> Any | None:
    """The row that holds for questions of a workflow: its own where one has a stable profile, else the tenant's."""
    found = current(session, tenant, sorted({EVERY, workflow or EVERY}))
    own = found.get(workflow or EVERY)
    return own if own is not None and own.stable else found.get(EVERY)


def history(session: Session, tenant: str, workflow: str | None, limit: int) -> Sequence[Any]:
    """Every state that held, newest first."""
    return session.execute(_HISTORY, {"tenant": tenant, "workflow": workflow, "limit": limit}).all()


def put(session: Session, tenant: str, workflow: str, state: State, by: str) -> Any:
    """Let ``state`` hold from now on; the row."""
    last = _locked(session, tenant, workflow)
    before = None if last is None else last.id
    if last is not None and state_of(last).stable == state.stable:
        before = last.before
    return _append(session, (tenant, workflow), state, last, {"before": before, "verb": "set", "by": by})


def back(session: Session, tenant: str, workflow: str, by: str) -> Any:
    """Drop the canary, where there is one, else let the stable profile of before hold again; the row.

    Raises :class:`Conflict` where there is neither.
    """
    last = _locked(session, tenant, workflow)
    if last is None or (last.stable is None and last.before is None):
        raise Conflict("There is nothing to go back to.")
    state, before = state_of(last), last.before
    if state.canary is not None:
        state = replace(state, canary=None)
    else:
        former = None if before is None else session.execute(_ONE, {"tenant": tenant, "id": before}).one()
        stable = state_of(former).stable
        state, before = replace(state, stable=stable), None if former is None else former.before
        state = state if stable is not None else State()
    return _append(session, (tenant, workflow), state, last, {"before": before, "verb": "rollback", "by": by})


def _locked(session: Session, tenant: str, workflow: str) -> Any | None:
    session.execute(_LOCK, {"tenant": tenant, "workflow": workflow})
    return current(session, tenant, [workflow]).get(workflow)


def _append(
    session: Session, whose: tuple[str, str], state: State, last: Any | None, how: dict[str, str | None]
) -> Any:
    row = {"tenant": whose[0], "workflow": whose[1], "id": new_id(), "n": 1 if last is None else last.n + 1}
    for role in ("stable", "canary", "shadow"):
        named: Named | None = getattr(state, role)
        row |= {role: named.name if named else None, f"{role}_digest": named.digest if named else None}
        row |= {f"{role}_percent": named.percent if named else None}
    return session.execute(_APPEND, row | how).one()
