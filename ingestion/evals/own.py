"""The sets themselves, and when each is run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Session, col, select

from ingestion.jobs import check_schedule, next_sync
from vouch.catalog.tables import EvalRun, EvalSet
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound
from vouch.core.ids import new_id, sha256
from vouch.core.types import principal_name

MOST = 20
"""Sets of a tenant."""
OFTEN = timedelta(hours=1)
"""Least time between two runs by schedule."""
KEEP = timedelta(days=365)
"""How long what came of a run is kept; of a baseline, as long as it is one."""
_LOOKED_AT = 60
_OPEN = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be set, by the names of columns; what is not in ``given`` stays as it is."""

    given: dict[str, Any]


def find(session: Session, tenant: str, set_id: str, *, lock: bool = False) -> EvalSet:
    """Raises :class:`NotFound`."""
    row = session.get(EvalSet, (tenant, set_id), with_for_update=True if lock else None)
    if row is None:
        raise NotFound()
    return row


def create(session: Session, tenant: str, asked: Asked) -> EvalSet:
    """Raises :class:`Conflict` for a name that is taken and for more than :data:`MOST`, :class:`InvalidInput`."""
    session.execute(sa.text("SELECT 1 FROM tenant WHERE id = :t FOR NO KEY UPDATE"), {"t": tenant})
    names = session.exec(select(col(EvalSet.name)).where(col(EvalSet.tenant_id) == tenant)).all()
    if len(names) >= MOST:
        raise Conflict(f"A tenant has {MOST} evaluation sets at most.")
    if asked.given["name"] in names:
        raise Conflict("An evaluation set has that name already.")
    row = EvalSet(tenant_id=tenant, id=new_id(), digest="", **{"rerank": True, "mode": "hybrid", **_columns(asked)})
    row.digest = digest(row.questions)
    session.add(row)
    session.flush()
    return row


def change(session: Session, row: EvalSet, asked: Asked) -> None:
    """Raises :class:`NotFound` for a baseline that is no run of it, :class:`InvalidInput`."""
    if asked.given.get("baseline") is not None:
        run = find_run(session, row, asked.given["baseline"])
        if run.state != "succeeded":
            raise Conflict(f"The run is {run.state}: there is nothing to hold others against.")
    for name, value in _columns(asked).items():
        setattr(row, name, value)
    row.digest = digest(row.questions)
    session.add(row)
    session.flush()


def sets(session: Session, tenant: str) -> Sequence[EvalSet]:
    """All of them, by name."""
    return session.exec(select(EvalSet).where(col(EvalSet.tenant_id) == tenant).order_by(col(EvalSet.name))).all()


def latest(session: Session, row: EvalSet) -> EvalRun | None:
    """The last run, whatever became of it."""
    return next(iter(runs(session, row, limit=1, before="")), None)


def runs(session: Session, row: EvalSet, *, limit: int, before: str) -> Sequence[EvalRun]:
    """Up to ``limit``, newest first, of those before the id ``before``; "" for the first page. Without ``measured``,
    which is as long as the set."""
    query = select(EvalRun).options(defer(cast(QueryableAttribute[Any], EvalRun.measured), raiseload=True))
    query = query.where(col(EvalRun.tenant_id) == row.tenant_id, col(EvalRun.set_id) == row.id)
    if before:
        query = query.where(col(EvalRun.id) < before)
    return session.exec(query.order_by(col(EvalRun.id).desc()).limit(limit)).all()


def find_run(session: Session, row: EvalSet, run_id: str) -> EvalRun:
    """Raises :class:`NotFound`, also for a run of another set."""
    run = session.get(EvalRun, (row.tenant_id, run_id))
    if run is None or run.set_id != row.id:
        raise NotFound()
    return run


def start(session: Session, row: EvalSet) -> EvalRun:
    """A run that waits; the one that is open already, where there is one. The set's row is locked by the caller."""
    mine = select(EvalRun).where(col(EvalRun.tenant_id) == row.tenant_id, col(EvalRun.set_id) == row.id)
    found = session.exec(mine.where(col(EvalRun.state).in_(_OPEN))).first()
    if found is None:
        found = EvalRun(
            tenant_id=row.tenant_id, id=new_id(), set_id=row.id, digest=row.digest, user_id=row.user_id,
            created_at=clock.now(),
        )  # fmt: skip
        session.add(found)
        session.flush()
    return found


def start_due(session: Session) -> int:
    """A run of each set whose time has come, of every tenant that the session sees. Returns how many.

    A time that was missed, because nothing ran, is made up for once.
    """
    now = clock.now()
    due = session.exec(select(EvalSet).where(col(EvalSet.next_at) <= now).with_for_update(skip_locked=True)).all()
    for row in due:
        start(session, row)
        row.next_at = next_sync(row.schedule, now)
        session.add(row)
        kept = col(EvalRun.id) != row.baseline if row.baseline is not None else sa.true()
        mine = sa.and_(col(EvalRun.tenant_id) == row.tenant_id, col(EvalRun.set_id) == row.id, kept)
        session.execute(sa.delete(EvalRun).where(mine, col(EvalRun.created_at) < now - KEEP))
    return len(due)


def digest(questions: Sequence[Any]) -> str:
    """Of what is asked and of what answers it, in whatever order."""
    return sha256(json.dumps(sorted(json.dumps(one, sort_keys=True) for one in questions)).encode())


def _columns(asked: Asked) -> dict[str, Any]:
    found = dict(asked.given)
    if "user_id" in found:
        found["user_id"] = principal_name(found["user_id"], kind="user", field="user")
    if "schedule" in found:
        found["next_at"] = None if found["schedule"] is None else _first(found["schedule"])
    return found


def _first(schedule: str) -> datetime:
    """When it comes next. Raises :class:`InvalidInput` for one that comes more than hourly."""
    first = at = next_sync(check_schedule(schedule), clock.now())
    assert first is not None
    for _ in range(_LOOKED_AT):  # a cron expression need not be even
        second = next_sync(schedule, at) if at is not None else None
        if at is None or second is None or second - at < OFTEN:
            raise InvalidInput("evaluations are run once an hour at most", field="schedule")
        at = second
    return first
