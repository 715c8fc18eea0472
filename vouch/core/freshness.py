"""How far a document may be relied on today: one pure function of what is known of it and of the time.

What a policy says counts from the later of two moments: when the text was last changed, and when its owner last
reviewed this very version of it. ``vouch/catalog/freshness.py`` says the same in SQL, for lists; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

State = Literal["fresh", "due", "stale", "expired", "source_gone", "ownerless", "superseded"]

Aged = Literal["due", "stale", "expired", "source_gone"]
"""The states for which a source says what search does with its documents."""
AGED: tuple[Aged, ...] = get_args(Aged)
InSearch = Literal["keep", "demote", "drop"]

GONE_AFTER_S = 86_400
"""A source that could not be read for so long is taken for gone; less is a bad night of its server."""


@dataclass(frozen=True, slots=True)
class Facts:
    """``*_s``: what the document says, else its folder, else its source; None where nothing does.

    ``reviewed_*`` are of the version that is shown: a newer one is not verified by a review of the one before.
    ``owned``: somebody answers for it. To a reader that makes no difference, so whoever shows it to one leaves it out.
    """

    modified_at: datetime | None
    review_every_s: int | None = None
    stale_after_s: int | None = None
    expire_after_s: int | None = None
    reviewed_at: datetime | None = None
    reviewed_until: datetime | None = None
    failing_since: datetime | None = None
    superseded: bool = False
    owned: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """``review_due``: when somebody should look at it again, whatever its state."""

    state: State
    review_due: datetime | None


def standing(facts: Facts, now: datetime) -> Standing:
    """The gravest state that holds. Verified by its owner, a document neither ages nor expires until then; without
    any moment to count from nothing ages."""
    since = max((at for at in (facts.modified_at, facts.reviewed_at) if at is not None), default=None)
    due = facts.reviewed_until or _after(since, facts.review_every_s)
    return Standing(_state(facts, since, due, now), due)


def _state(facts: Facts, since: datetime | None, due: datetime | None, now: datetime) -> State:
    verified = facts.reviewed_until is not None and facts.reviewed_until > now
    if facts.superseded:
        return "superseded"
    if not verified and _past(_after(since, facts.expire_after_s), now):
        return "expired"
    if _past(_after(facts.failing_since, GONE_AFTER_S), now):
        return "source_gone"
    if not verified and _past(_after(since, facts.stale_after_s), now):
        return "stale"
    if _past(due, now):
        return "due"
    return "fresh" if facts.owned else "ownerless"


def _past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _after(moment: datetime | None, seconds: int | None) -> datetime | None:
    """None also for what lies beyond the calendar: a clock set to the year 9999 is not to stop anybody's search."""
    try:
        return moment + timedelta(seconds=seconds) if moment is not None and seconds else None
    except OverflowError:
        return None
