"""Proof of life: a part writes down that it has just done real work."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from vouch.catalog.tables import Heartbeat
from vouch.core import clock


def beat(session: Session, part: str) -> None:
    """Note that ``part`` works now."""
    values = {"part": part, "at": sa.func.now()}
    session.execute(insert(Heartbeat).values(values).on_conflict_do_update(index_elements=["part"], set_=values))


def age(session: Session, part: str) -> timedelta | None:
    """Time since the last beat, None before the first."""
    row = session.get(Heartbeat, part)
    return clock.now() - row.at if row is not None and row.at is not None else None
