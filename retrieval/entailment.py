"""Ask the entailer about claims in a model's own words: do their quotes, read with what stands around them, say it?

It only takes away. What the rules have refused or doubt stays so, whatever a model thinks of it; what they let through
is refused below the entailer's floor.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from retrieval.metrics import UNJUDGED
from retrieval.types import Claim, Evidence, Rejection, Verified
from vouch.core.errors import ModelUnavailable, ModelWithheld
from vouch.core.sentences import sentences
from vouch.core.types import Span
from vouch.gateway.entail import Entailer, Stated

log = logging.getLogger(__name__)

WORDS = 105
"""Of evidence beside one claim, about as much as the embedded entailer reads."""


def entailed(entailer: Entailer | None, verified: Verified) -> Verified:
    """What rules have let through, less what the entailer refuses. Without one, and where it fails, rules decide."""
    if entailer is None:
        return verified
    try:
        outcomes = list(weighed(entailer, verified.claims))
    except (ModelUnavailable, ModelWithheld) as error:
        reason = str(error.extra.get("reason", "withheld"))
        UNJUDGED.labels(reason).inc(sum(not claim.verbatim for claim in verified.claims))
        log.warning("claims were not judged by %s: %s", entailer.name, reason)
        return verified
    held = tuple(one for one in outcomes if isinstance(one, Claim))
    return Verified(held, (*verified.rejected, *(one for one in outcomes if isinstance(one, Rejection))))


def weighed(entailer: Entailer, claims: Sequence[Claim]) -> Iterator[Claim | Rejection]:
    """Each claim as it is, or refused. One that is nothing but its quotes is not asked about."""
    own = [claim for claim in claims if not claim.verbatim]
    judged = iter(entailer.entail([Stated(beside(claim.evidence), claim.text) for claim in own]))
    for claim in claims:
        support = 1.0 if claim.verbatim else next(judged).supported
        if support < entailer.floor:
            yield Rejection(claim.text, None, "not_entailed")
        else:
            yield claim


def beside(evidence: Sequence[Evidence], words: int = WORDS) -> str:
    """The quotes, each with as many sentences before and after it as leave room for all."""
    room = max(words - sum(len(one.text.split()) for one in evidence), 0) // max(len(evidence), 1)
    return " ".join(_widened(one, room) for one in evidence)


def _widened(one: Evidence, room: int) -> str:
    passage = one.passage
    quote = Span(one.span.start - passage.span.start, one.span.end - passage.span.start)
    split = sentences(passage.text)
    start = min([quote.start, *(s.start for s in split if s.start <= quote.start < s.end)])
    end = max([quote.end, *(s.end for s in split if s.start < quote.end <= s.end)])
    before = [s for s in split if s.end <= start][::-1]
    after = [s for s in split if s.start >= end]
    while before or after:  # nearest first, and first what comes before: it says what "it" is
        for side in (before, after):
            nearest = side.pop(0) if side else None
            if nearest is None:
                continue
            cost = len(nearest.of(passage.text).split())
            if cost > room:
                side.clear()
                continue
            room -= cost
            start, end = min(start, nearest.start), max(end, nearest.end)
    return passage.text[start:end]
