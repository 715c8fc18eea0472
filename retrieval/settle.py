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
from retrieval.entailment import entailed
from retrieval.generate import Writers
from retrieval.guard import guard_output
from retrieval.judge import judging
from retrieval.leaks import untold
from retrieval.pack import Packed
from retrieval.services import Services
from retrieval.texts import Texts
from retrieval.types import Draft, DraftClaim, Rejection, Verified
from retrieval.verify import verify
from vouch.gateway.embed import Embedder
from vouch.gateway.entail import Entailer
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

    @property
    def leaked(self) -> bool:
        """Its writer told what no answer may hold: nothing more is taken of it."""
        return any(one.reason == "leaked" for one in self.verified.rejected)


@dataclass(frozen=True, slots=True)
class Checks:
    """What drafts are held against besides the documents' text. ``untold``: kinds that no answer may say."""

    embedder: Embedder
    untold: Collection[Kind] = frozenset()
    entailer: Entailer | None = None

    @classmethod
    def of(cls, services: Services, writers: Writers, packed: Packed) -> Self:
        judge = judging(services, writers, packed.passages)
        return cls(services.embedder, untold(services.settings), judge)


class Settling:
    """Of the drafts on one pack of evidence, for one question. Not shared by threads."""

    def __init__(self, checks: Checks, texts: Texts, packed: Packed, step: Step = _untimed) -> None:
        self._checks, self._texts, self._packed, self._step = checks, texts, packed, step
        self.draft = Draft((), 0.0, "")
        """As it was written."""
        self.so_far = Settled(self.draft)

    def settle(self, draft: Draft, *, again: bool = False) -> Settled:
        """All of ``draft``, of which no claim that was settled before is settled again. ``again``: what is new takes
        the place of claims that failed, and may say the same."""
        taken, so_far = self.draft.claims, self.so_far
        if draft.claims[: len(taken)] != taken:  # another writer began anew
            taken, so_far = (), Settled(draft)
        if not taken:
            so_far = replace(so_far, draft=replace(draft, claims=()))
        new = [one for n, one in enumerate(draft.claims) if n >= len(taken) and one not in draft.claims[:n]]
        if new:
            with self._step("verify"):
                checked = self._verified(so_far, replace(draft, claims=tuple(new)), again=again)
            with self._step("guard"):
                so_far = self._guarded(so_far, checked)
        self.draft, self.so_far = draft, replace(so_far, draft=replace(draft, claims=so_far.draft.claims))
        return self.so_far

    def _verified(self, before: Settled, more: Draft, *, again: bool) -> Settled:
        """Claim by claim, but that the entailer is asked about all of them at once."""
        told = {claim.text for claim in before.draft.claims}
        if again:
            told -= {claim.text for claim, _ in before.failed}
        rivals = len(before.contradictions)
        claims, contradictions = list[DraftClaim](), list[Contradiction]()
        for claim in more.claims:
            alone = replace(more, claims=(claim,))
            one, against = contrast(alone, self._packed.passages, self._checks.embedder, told, rivals)
            told, rivals = told | {claim.text for claim in one.claims}, rivals + len(against)
            claims, contradictions = [*claims, *one.claims], [*contradictions, *against]
        draft = replace(more, claims=tuple(claims))
        verified = entailed(self._checks.entailer, verify(self._texts, draft, self._packed))
        return Settled(draft, tuple(contradictions), verified, _failed(claims, verified))

    def _guarded(self, before: Settled, new: Settled) -> Settled:
        """Both. Nothing follows on what leaks, and of what comes with it nothing is left."""
        if before.leaked:
            return before
        guarded = guard_output(new.verified, new.draft, self._checks.untold)
        claims = dict.fromkeys((*before.verified.claims, *guarded.claims))  # what differed as written may not as shown
        return Settled(
            replace(new.draft, claims=(*before.draft.claims, *new.draft.claims)),
            (*before.contradictions, *new.contradictions),
            Verified(tuple(claims), (*before.verified.rejected, *guarded.rejected)),
            (*before.failed, *new.failed),
        )


def _failed(claims: Sequence[DraftClaim], verified: Verified) -> tuple[tuple[DraftClaim, str], ...]:
    held = {claim.text for claim in verified.claims}
    return tuple((claim, _why(claim, verified.rejected)) for claim in claims if claim.text not in held)


def _why(claim: DraftClaim, rejected: Sequence[Rejection]) -> str:
    return next((one.reason for one in rejected if one.claim == claim.text), "unsupported")
