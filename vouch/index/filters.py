"""Who and what a search may see, as conditions that every backend compiles to its own filter.

Gate 1 is :func:`visible`, for a server, and :func:`admits`, for the embedded index, which asks it once for each rule
(`vouch/index/rules.py`). A backend gives it to every arm of every search, and to the IDF statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from vouch.core.errors import InvalidInput
from vouch.core.types import ANYONE, AccessFilter, AccessPayload, SearchFilter
from vouch.index.payload import DENY, LOT, LOTS, SLOTS, TENANT
from vouch.index.protocol import RemoveVersions, SetAccess


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field, or one entry of it, is one of ``values``; never empty, for engines disagree on what that means."""

    field: str
    values: tuple[str, ...] | tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"no values to match {self.field} with")


@dataclass(frozen=True, slots=True)
class Between:
    """``gte <= field < lt``; None leaves a side open."""

    field: str
    gte: int | None
    lt: int | None


@dataclass(frozen=True, slots=True)
class Conditions:
    must: tuple[AnyOf | Between, ...]
    must_not: tuple[AnyOf, ...] = ()


def asking(access: AccessFilter) -> frozenset[str]:
    """Who asks. Raises :class:`InvalidInput` when the filler of unused slots poses as a principal."""
    if ANYONE in access.principals:
        raise InvalidInput(f"{ANYONE!r} is not a principal", field="access")
    return access.principals


def visible(access: AccessFilter) -> Conditions | None:
    """Gate 1: same tenant, every clause slot admits one of the principals, none is denied. None: nothing is visible.

    The first slot is matched with principals alone: it is empty where nobody may read. Raises what :func:`asking`
    raises.
    """
    principals = tuple(sorted(asking(access)))
    if not principals:
        return None
    first, *others = SLOTS
    return Conditions(
        must=(
            AnyOf(TENANT, (access.tenant,)),
            AnyOf(first, principals),
            *(AnyOf(slot, (ANYONE, *principals)) for slot in others),
        ),
        must_not=(AnyOf(DENY, principals),),
    )


def admits(rule: AccessPayload, principals: frozenset[str]) -> bool:
    """What :func:`visible` makes an engine decide, tenants apart, decided here."""
    first, *others = rule.allow
    return (
        not principals.isdisjoint(first)
        and all(ANYONE in slot or not principals.isdisjoint(slot) for slot in others)
        and principals.isdisjoint(rule.deny)
    )


def narrowed(conditions: Conditions, where: SearchFilter) -> Conditions:
    """``conditions`` and what the asker chose: ``modified_after`` inclusive, ``modified_before`` exclusive."""
    chosen: list[AnyOf | Between] = [
        AnyOf(field, values)
        for field, values in (
            ("source_id", where.source),
            ("mime", where.mime),
            ("language", where.language),
            ("owner", where.owner),
        )
        if values
    ]
    after = _seconds(where.modified_after, "filter.modified_after")
    before = _seconds(where.modified_before, "filter.modified_before")
    if after is not None or before is not None:
        chosen.append(Between("modified_at", after, before))
    return replace(conditions, must=(*conditions.must, *chosen)) if chosen else conditions


def drawn(conditions: Conditions, lots: int) -> Conditions:
    """``conditions``, and a point is in one of the first so many lots."""
    return conditions if lots == LOTS else replace(conditions, must=(*conditions.must, AnyOf(LOT, tuple(range(lots)))))


def _seconds(at: datetime | None, field: str) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidInput("a time without a zone", field=field)
    # Stored times are whole seconds: both `>= at` and `< at` turn at the next whole one.
    return math.ceil(at.timestamp())


def targets(op: SetAccess | RemoveVersions) -> Conditions | None:
    """The points that an operation changes; None when it names nothing."""
    tenant = AnyOf(TENANT, (op.tenant,))
    if isinstance(op, SetAccess):
        return Conditions((tenant, AnyOf("document_id", op.document_ids))) if op.document_ids else None
    document = AnyOf("document_id", (op.document_id,))
    if op.versions is None:
        return Conditions((tenant, document))
    return Conditions((tenant, document, AnyOf("version", op.versions))) if op.versions else None
