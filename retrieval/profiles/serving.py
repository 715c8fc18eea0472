"""Which profile makes the answer to a question: the one that was asked for by name, or what is released to its asker.

Whom a canary serves is no matter of chance: it is told by who asks and in which conversation (without one: on which
day, UTC), so one person sees one way of answering in one conversation, and a larger share keeps all who had it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from sqlmodel import Session

from retrieval.profiles.profile import CHAT, OURS, Profile
from retrieval.services import Services
from retrieval.types import Question
from vouch.catalog import releases
from vouch.catalog.releases import Named
from vouch.core import clock
from vouch.core.errors import ReleaseBroken
from vouch.core.ids import sha256

log = logging.getLogger(__name__)

Arm = Literal["default", "stable", "canary", "asked"]
"""As what a profile served: nothing is released, the stable one, the canary, or asked for by its name."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The profile that makes an answer. ``shadow``: the one that is to run beside it. ``approval``: whether a person
    has to release the answer; naming another profile than the stable one does not get round that."""

    profile: Profile
    arm: Arm = "default"
    release_id: str | None = None
    workflow: str = releases.EVERY
    shadow: Profile | None = None
    approval: bool = False

    def of(self, question: Question) -> Question:
        """The question as the profile has it searched for."""
        spec = self.profile.spec
        limit = question.limit if question.limited or spec.passages is None else spec.passages
        return replace(question, limit=limit, rerank=question.rerank and spec.rerank)


UNRELEASED = Serving(OURS[0])


def serving(session: Session, services: Services, whose: tuple[str, str], question: Question) -> Serving:
    """In the session's snapshot. ``whose``: tenant and user.

    Raises :class:`InvalidInput` for a name that is no profile's, :class:`ReleaseBroken` where the stable profile is not
    there as it was released. A canary or a shadow that is not does not serve.
    """
    row = releases.holding(session, whose[0], question.workflow)
    state = releases.state_of(row)
    stable = None if state.stable is None else sound(services, state.stable)
    if state.stable is not None and stable is None:
        raise ReleaseBroken(f"The profile {state.stable.name} is not configured as it was released.")
    needs = stable is not None and stable.spec.approval
    if question.profile is not None:
        asked = services.profiles.require(question.profile, services.gateway, field="profile")
        return Serving(asked, "asked", approval=needs or asked.spec.approval)
    if row is None or stable is None:
        return UNRELEASED
    unit = (*whose, question.conversation_id or clock.now().date().isoformat())
    canary, shadow = (_drawn(services, unit, role, one) for role, one in (("c", state.canary), ("s", state.shadow)))
    profile = canary or stable
    arm: Arm = "canary" if canary else "stable"
    return Serving(profile, arm, row.id, row.workflow, shadow, needs or profile.spec.approval)


def _drawn(services: Services, unit: tuple[str, ...], role: str, named: Named | None) -> Profile | None:
    if named is None or share(unit, role, named) >= (named.percent or 0):
        return None
    found = sound(services, named)
    if found is None:
        log.warning("the profile %s is not configured as it was released: it does not serve", named.name)
    return found


def share(unit: tuple[str, ...], role: str, named: Named) -> int:
    """Where of a hundred a unit stands: below a profile's percentage it is served by it. Each profile, and each of its
    digests, draws anew, so that it is not always the same people who are tried with."""
    drawn = sha256("\x1f".join((*unit, role, named.name, named.digest)).encode())
    return int(drawn[:12], 16) % 100


def sound(services: Services, named: Named) -> Profile | None:
    """The profile as it was released; None where it is gone, says something else, or lacks a model."""
    found = services.profiles.named.get(named.name)
    if found is None or found.digest != named.digest:
        return None
    return None if found.spec.writers == CHAT and not services.gateway.models else found
