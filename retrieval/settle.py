"""From a draft to claims that may be shown: set beside what contradicts it, verified, guarded.

A draft may be settled while it is still being written, claim by claim. What came of a claim then stands: it may have
been told already, and nothing that is told is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Self

from retrieval.contrast import Contradiction, contrast
from retrieval.guard import guard_output
from retrieval.leaks import untold
from retrieval.pack import Packed
from retrieval.services import Services
from retrieval.texts import Texts
from retrieval.types import Draft, DraftClaim, Rejection, Verified
from retrieval.verify import verify
from vouch.gateway.embed import Embedder
from vouch.gateway.privacy.kinds import Kind

_NOTHING = Verified((), ())
Step = Callable[[str], AbstractContextManager[None]]
"""Times a step of the walk, by its name."""


def _untimed(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of ``draft``. ``failed``: its claims that are not borne out, each with why; ``left_out``: how many of
    them nothing took the place of."""

    draft: Draft
    contradictions: tuple[Contradiction, ...] = ()
    verified: Verified = _NOTHING
    failed: tuple[tuple[DraftClaim, str], ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Checks:
    """What drafts are held against besides the documents' text. ``untold``: kinds that no answer may say."""

    embedder: Embedder
    untold: Collection[Kind] = frozenset()

    @classmethod
    def of(cls, services: Services) -> Self:
        return cls(services.embedder, untold(services.settings))


class Settling:
    """Of the drafts on one pack of evidence, for one question. Not shared by threads."""

    def __init__(self, checks: Checks, texts: Texts, packed: Packed, step: Step = _untimed) -> None:
        self._checks, self._texts, self._packed, self._step = checks, texts, packed, step
        self.draft = Draft((), 0.0, "")
        """As it was written."""
        self.so_far = Settled(self.draft)

    def settle(self, draft: Draft) -> Settled:
        """All of ``draft``, of which no claim that was settled before is settled again."""
        taken, so_far = self.draft.claims, self.so_far
        if draft.claims[: len(taken)] != taken:  # another writer began anew
            taken, so_far = (), Settled(draft)
        if not taken:
            so_far = replace(so_far, draft=replace(draft, claims=()))
        for n in range(len(taken), len(draft.claims)):
            if draft.claims[n] not in draft.claims[:n]:
                so_far = self._with(so_far, replace(draft, claims=(draft.claims[n],)))
        self.draft, self.so_far = draft, replace(so_far, draft=replace(draft, claims=so_far.draft.claims))
        return self.so_far

    def _with(self, before: Settled, one: Draft) -> Settled:
        if any(rejection.reason == "leaked" for rejection in before.verified.rejected):
            return before
        with self._step("verify"):
            told = {claim.text for claim in before.draft.claims} - {claim.text for claim, _ in before.failed}
            rivals = len(before.contradictions)
            contrasted, found = contrast(one, self._packed.passages, self._checks.embedder, told, rivals)
            verified = verify(self._texts, contrasted, self._packed)
        with self._step("guard"):
            guarded = guard_output(verified, contrasted, self._checks.untold)
        claims = dict.fromkeys((*before.verified.claims, *guarded.claims))  # what differed as written may not as shown
        return Settled(
            replace(one, claims=(*before.draft.claims, *contrasted.claims)),
            (*before.contradictions, *found),
            Verified(tuple(claims), (*before.verified.rejected, *guarded.rejected)),
            (*before.failed, *_failed(contrasted.claims, verified)),
        )


def _failed(claims: Sequence[DraftClaim], verified: Verified) -> tuple[tuple[DraftClaim, str], ...]:
    held = {claim.text for claim in verified.claims}
    return tuple((claim, _why(claim, verified.rejected)) for claim in claims if claim.text not in held)


def _why(claim: DraftClaim, rejected: Sequence[Rejection]) -> str:
    return next((one.reason for one in rejected if one.claim == claim.text), "unsupported")
