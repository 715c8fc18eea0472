"""Write a draft from the packed evidence: verbatim sentences, or a chat model's prose with quotes. Both come
out in the same shape and go through the same verification.

Who writes is a chain of names (:meth:`vouch.gateway.gateway.Gateway.chain`): a model that fails is followed by the
next, and so is the embedded answerer where it finds no answer and a model stands behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from retrieval.difficulty import difficulty
from retrieval.draft import from_model
from retrieval.export import Attempt
from retrieval.extract import extract
from retrieval.metrics import FALLBACKS, MODEL_SECONDS
from retrieval.profiles.profile import CHAT, OURS, ROUTES, Profile
from retrieval.services import Services
from retrieval.spend import paying
from retrieval.types import Draft, Passage, Question, Rewritten, Suspected
from vouch.catalog.spending import Payer
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable, ModelWithheld
from vouch.core.types import Json
from vouch.gateway import injection
from vouch.gateway.gateway import Call
from vouch.gateway.model_file import EXTRACTIVE

_NOTHING: Json = {}
AFTERWARDS_S = 3.0
"""Of a question's time, what verifying and releasing may take."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Who is to write, in the order that they are tried, by when, and who pays for it; ``profile`` says how, ``whole``
    is what the question has in all. ``tried`` hears of each try, ``hear`` of a draft that grows while it is written,
    and says whether any of it was told."""

    names: tuple[str, ...]
    deadline: Deadline
    payer: Payer
    whole: Deadline
    tried: Callable[[Attempt], None] = lambda _: None
    profile: Profile = OURS[0]
    hear: Callable[[Draft], bool] | None = None


def routed_by(tenant: str, question: Question, data_classes: frozenset[str]) -> Call:
    """``question``: as it is searched for; by its workflow, not its payer's, models are routed. ``data_classes``: of
    what it may be answered from."""
    return Call(tenant, difficulty(question.text), question.workflow, data_classes)


def choose_writers(services: Services, payer: Payer, call: Call, profile: Profile, deadline: Deadline) -> Writers:
    """By the profile, and by the file's routes where it leaves it to them. Which of them may be shown the evidence is
    decided as each is asked, by :meth:`vouch.gateway.gateway.Gateway.write`."""
    wanted, gateway = profile.spec.writers, services.gateway
    if wanted == EXTRACTIVE:
        return Writers((EXTRACTIVE,), deadline, payer, deadline, profile=profile)
    names = gateway.chain(call) if wanted in (ROUTES, CHAT) else gateway.allowed(wanted, payer.tenant)
    if wanted == CHAT:  # prose was asked for: sentences are the last resort, never the first
        names = (*(name for name in names if name != EXTRACTIVE), *(name for name in names if name == EXTRACTIVE))
    return Writers(names, deadline.keeping(AFTERWARDS_S), payer, deadline, profile=profile)


def generate(services: Services, asked: Rewritten, passages: Sequence[Passage], writers: Writers) -> Draft:
    """When no model of the chain answers, and the embedded answerer is not in it, raises what the last one did:
    :class:`vouch.core.errors.ModelUnavailable`, or :class:`vouch.core.errors.ModelWithheld` where it may not be sent
    the question or its evidence. When one breaks off of which a part was told, that part is the draft."""
    if not passages:
        return Draft((), 0.0, "none")
    attempts: list[Json] = []
    abstained: Draft | None = None
    failure: ModelUnavailable | ModelWithheld | None = None
    for name in writers.names:
        began, usage = time.perf_counter(), _NOTHING
        told: list[Draft] = []
        try:
            draft = _write(services, name, asked, passages, replace(writers, hear=_kept(writers.hear, told)))
        except ModelUnavailable as error:
            failure, outcome = error, str(error.extra["reason"])
        except ModelWithheld as error:
            failure, outcome = error, "withheld"
        else:
            outcome, usage = "wrote" if draft.claims else "abstained", draft.usage
        seconds = time.perf_counter() - began
        attempts.append({"writer": name, "outcome": outcome, "ms": round(1000 * seconds)})
        MODEL_SECONDS.labels(name, outcome).observe(seconds)
        writers.tried(Attempt(name, services.gateway.behind(name), outcome, began, seconds, usage))
        if told and outcome not in ("wrote", "abstained"):
            return _noted(replace(told[-1], usage={"cut_off": outcome}), asked.query, attempts)
        if outcome == "wrote" or (outcome == "abstained" and name != EXTRACTIVE):
            return _noted(draft, asked.query, attempts)
        if outcome == "abstained":
            abstained = draft
    if abstained is None:
        raise failure or ModelUnavailable("There is no model that may answer this.", reason="no_model")
    return _noted(abstained, asked.query, attempts)


def _write(services: Services, name: str, asked: Rewritten, passages: Sequence[Passage], writers: Writers) -> Draft:
    if name == EXTRACTIVE:
        return _extracted(services, asked, tuple(passages), writers.profile.spec.abstain_below)
    write = paying(services, writers.payer, name, writers.deadline)
    return from_model(name, asked.query, passages, write, writers.hear, writers.profile.spec.prompt)


def _extracted(services: Services, asked: Rewritten, passages: tuple[Passage, ...], below: float | None) -> Draft:
    """Sentences for each question that is asked, each sentence once. As sure as of the least sure that is answered."""
    threshold = services.settings.abstain_below if below is None else below
    drafts = [extract(one.query, passages, services.embedder, abstain_below=threshold) for one in asked.questions]
    if len(drafts) == 1:
        return drafts[0]
    answered = [draft for draft in drafts if draft.claims] or drafts
    claims = {(claim.text, claim.quotes): claim for draft in answered for claim in draft.claims}
    unanswered = tuple(one.asked for one, draft in zip(asked.questions, drafts, strict=True) if not draft.claims)
    least = min(answered, key=lambda draft: draft.confidence)
    return replace(least, claims=tuple(claims.values()), unanswered=unanswered if claims else ())


def _kept(hear: Callable[[Draft], bool] | None, told: list[Draft]) -> Callable[[Draft], bool] | None:
    """``told`` is given each state of the draft of which something was told."""
    if hear is None:
        return None

    def listen(draft: Draft) -> bool:
        if heard := hear(draft):
            told.append(draft)
        return heard

    return listen


def _noted(draft: Draft, question: str, attempts: Sequence[Json]) -> Draft:
    """With what in the question reads as if it were meant for a model, and with who was tried, where that was more
    than the one who wrote."""
    asked = tuple(Suspected(None, one.ruse, one.span) for one in injection.find(question))
    usage = {**draft.usage, "attempts": list(attempts)} if len(attempts) > 1 else draft.usage
    for one in attempts[:-1]:
        FALLBACKS.labels(one["writer"], one["outcome"]).inc()
    return replace(draft, usage=usage, suspected=(*asked, *draft.suspected))
