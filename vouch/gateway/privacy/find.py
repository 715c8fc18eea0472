"""Personal data and secrets in a text, as typed spans."""

from __future__ import annotations

from collections.abc import Collection

from vouch.gateway.privacy import keys, patterns, presidio
from vouch.gateway.privacy.kinds import KINDS, PERSONAL, SECRETS, Found, Kind, disjoint


def find(text: str, kinds: Collection[Kind] = KINDS) -> tuple[Found, ...]:
    """What of ``kinds`` is in ``text``, in order, without overlaps. Presidio is loaded when it is first needed."""
    found: list[Found] = []
    if not {*kinds}.isdisjoint(PERSONAL):
        found += [*presidio.find(text), *patterns.find(text)]
    if not {*kinds}.isdisjoint(SECRETS):
        found += keys.find(text)
    return disjoint([one for one in found if one.kind in kinds])
