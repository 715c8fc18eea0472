"""The kinds of what is found, and what finding one yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vouch.core.types import Span

Personal = Literal[
    "email",
    "phone",
    "card",
    "iban",
    "ip",
    "national_id",
    "document_number",
    "date_of_birth",
    "address",
    "wallet",
]
Secret = Literal["private_key", "token", "credentials", "password", "key"]
Kind = Personal | Secret

PERSONAL: tuple[Personal, ...] = get_args(Personal)
SECRETS: tuple[Secret, ...] = get_args(Secret)
KINDS: tuple[Kind, ...] = (*PERSONAL, *SECRETS)


@dataclass(frozen=True, slots=True)
class Found:
    """``span`` of the text that was searched holds something of ``kind``. ``sure``, 0..1, settles overlaps alone."""

    kind: Kind
    span: Span
    sure: float


def disjoint(found: list[Found]) -> tuple[Found, ...]:
    """What is found, in order, with no character in two: where some overlap, one span over all of them, of the kind
    that is surest. Nothing that was found by any of them is left uncovered."""
    merged: list[Found] = []
    for one in sorted(found, key=lambda one: (one.span.start, -one.span.end)):
        last = merged[-1] if merged else None
        if last is None or one.span.start >= last.span.end:
            merged.append(one)
            continue
        surest = max(last, one, key=lambda o: (o.sure, o.span.end - o.span.start))
        over = Span(last.span.start, max(last.span.end, one.span.end))
        merged[-1] = Found(surest.kind, over, surest.sure)
    return tuple(merged)
