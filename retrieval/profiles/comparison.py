"""A canary beside the stable profile, and a shadow beside what was shown: the same measures of both, and how sure their
difference is.

Of a canary different questions are compared, so both means are drawn again; of a shadow the same ones, so their
differences are. What counts is of releases of the same profiles, as the last one with a canary, or a shadow, has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core.bootstrap import Interval, difference, interval

MOST = 1_000
"""Answers of each kind that count, the newest."""
FEWEST = 20
"""With fewer, a difference decides nothing: so few that happen to agree would pass for certainty."""
MEASURES = ("abstained", "supported", "rejected", "cost", "ms", "helpful")
"""``helpful``: what askers say; nobody says it of a shadow."""

_LAST = """
    SELECT * FROM profile_release WHERE tenant_id = :tenant AND workflow = :workflow AND {role} IS NOT NULL
    ORDER BY n DESC LIMIT 1
"""
_LAST_OF = {role: sa.text(_LAST.format(role=role)) for role in ("canary", "shadow")}
_ANSWERS = sa.text(
    """
    SELECT a.kind = 'abstention' AS abstained, (a.usage ->> 'rejected')::float AS rejected,
        (SELECT count(*) FROM jsonb_array_elements(a.claims) c WHERE c ->> 'verdict' = 'supported') AS supported,
        coalesce((a.usage ->> 'cost')::float, 0) AS cost, (t.data ->> 'ms')::float AS ms, f.helpful
    FROM answer a JOIN trace t ON t.tenant_id = a.tenant_id AND t.id = a.trace_id
    LEFT JOIN feedback f ON f.tenant_id = a.tenant_id AND f.answer_id = a.id AND f.user_id = a.user_id
    WHERE a.tenant_id = :tenant AND a.created_at >= :since AND a.created_at < :until
        AND NOT a.usage ? 'reused' AND a.made_by ->> 'arm' = :arm AND a.made_by ->> 'release' IN (
            SELECT id FROM profile_release WHERE tenant_id = :tenant AND workflow = :workflow
            AND (stable_digest, stable, canary_digest, canary) = (:stable_digest, :stable, :canary_digest, :canary))
    ORDER BY a.created_at DESC LIMIT :most
    """
)
_SHADOWS = sa.text(
    """
    SELECT s.outcome, s.shown, s.figures, s.overlap FROM shadow_run s
    WHERE s.tenant_id = :tenant AND s.at >= :since AND s.at < :until AND (s.profile, s.digest) = (:shadow, :digest)
        AND s.release_id IN (SELECT id FROM profile_release WHERE tenant_id = :tenant AND workflow = :workflow
            AND (stable_digest, stable) = (:stable_digest, :stable))
    ORDER BY s.at DESC LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Window:
    """Whose answers of which time."""

    tenant: str
    workflow: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of both, and the second's less the first's with its 95 % interval."""

    measure: str
    former: float
    candidate: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """``answers``: of the former and of the candidate. ``failed``: shadows that came to nothing. ``overlap``: of what a
    shadow and the shown answer cite, with its interval."""

    kind: Literal["canary", "shadow"]
    former: str
    candidate: str
    answers: tuple[int, int]
    measures: tuple[Measured, ...]
    failed: int = 0
    overlap: Interval | None = None

    @property
    def enough(self) -> bool:
        return min(self.answers) >= FEWEST


@dataclass(frozen=True, slots=True)
class Rows:
    """What is to be compared. ``former`` and ``candidate``: figures of each, of a shadow pair by pair."""

    kind: Literal["canary", "shadow"]
    names: tuple[str, str]
    former: Sequence[Mapping[str, Any]]
    candidate: Sequence[Mapping[str, Any]]
    failed: int = 0
    overlaps: Sequence[float] = ()


def gathered(session: Session, window: Window) -> tuple[Rows, ...]:
    """Of the last canary and the last shadow of the window's workflow, where there ever was one."""
    return tuple(one for one in (_of_canary(session, window), _of_shadow(session, window)) if one is not None)


def compared(found: Sequence[Rows]) -> tuple[Comparison, ...]:
    """Each with its differences. It takes a moment, so it is done when the snapshot is let go of."""
    return tuple(
        Comparison(
            kind=rows.kind,
            former=rows.names[0],
            candidate=rows.names[1],
            answers=(len(rows.former), len(rows.candidate)),
            measures=tuple(one for name in MEASURES if (one := _measured(rows, name)) is not None),
            failed=rows.failed,
            overlap=interval(rows.overlaps) if rows.overlaps else None,
        )
        for rows in found
    )


def _of_canary(session: Session, window: Window) -> Rows | None:
    row = session.execute(_LAST_OF["canary"], _whose(window)).one_or_none()
    if row is None:
        return None
    profiles = {name: getattr(row, name) for name in ("stable", "stable_digest", "canary", "canary_digest")}
    given = {**_whose(window), "since": window.since, "until": window.until, "most": MOST, **profiles}
    stable, canary = (
        [dict(one) for one in session.execute(_ANSWERS, {**given, "arm": arm}).mappings()]
        for arm in ("stable", "canary")
    )
    return Rows("canary", (row.stable, row.canary), stable, canary)


def _of_shadow(session: Session, window: Window) -> Rows | None:
    row = session.execute(_LAST_OF["shadow"], _whose(window)).one_or_none()
    if row is None:
        return None
    given = {"since": window.since, "until": window.until, "most": MOST, "shadow": row.shadow}
    given |= {"digest": row.shadow_digest, "stable": row.stable, "stable_digest": row.stable_digest}
    ran = session.execute(_SHADOWS, {**_whose(window), **given}).all()
    done = [one for one in ran if one.figures is not None]
    return Rows(
        kind="shadow",
        names=(row.stable, row.shadow),
        former=[one.shown for one in done],
        candidate=[one.figures for one in done],
        failed=len(ran) - len(done),
        overlaps=[one.overlap for one in done if one.overlap is not None],
    )


def _whose(window: Window) -> dict[str, str]:
    return {"tenant": window.tenant, "workflow": window.workflow}


def _measured(rows: Rows, measure: str) -> Measured | None:
    """None where one of both has nothing to say of it."""
    former, candidate = (
        [float(one[measure]) for one in arm if one.get(measure) is not None] for arm in (rows.former, rows.candidate)
    )
    if not former or not candidate:
        return None
    if rows.kind == "shadow":
        found = interval([after - before for before, after in zip(former, candidate, strict=True)])
    else:
        found = difference(former, candidate)
    means = (sum(former) / len(former), sum(candidate) / len(candidate))
    return Measured(measure, *means, found.mean, found.low, found.high, found.p)
