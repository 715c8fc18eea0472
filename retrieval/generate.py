"""Write a draft from the packed evidence: verbatim sentences, or a chat model's prose with quotes. Both come
out in the same shape and go through the same verification.

Who writes is a chain of names (:meth:`vouch.gateway.gateway.Gateway.chain`): a model that fails is followed by the
next, and so is the embedded answerer where it finds no answer and a model stands behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retrieval.difficulty import difficulty
from retrieval.draft import from_model
from retrieval.export import Attempt
from retrieval.extract import extract
from retrieval.metrics import FALLBACKS, MODEL_SECONDS
from retrieval.services import Services
from retrieval.spend import paying
from retrieval.types import Draft, Passage, Question, Suspected
from vouch.catalog.spending import Payer
from vouch.core.deadline import Deadline
from vouch.core.errors import InvalidInput, ModelUnavailable, ModelWithheld
from vouch.core.types import Json
from vouch.gateway import injection
from vouch.gateway.gateway import Call
from vouch.gateway.model_file import EXTRACTIVE

Profile = Literal["extractive", "chat"]
_NOTHING: Json = {}
AFTERWARDS_S = 3.0
"""Of a question's time, what verifying and releasing may take."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Who is to write, in the order that they are tried, by when, and who pays for it. ``tried`` hears of each try."""

    names: tuple[str, ...]
    deadline: Deadline
    payer: Payer
    tried: Callable[[Attempt], None] = lambda _: None


def choose_profile(services: Services, wanted: Profile | None) -> Profile:
    """What writes the answer. Raises :class:`InvalidInput` when a chat model is wanted and none is configured."""
    if wanted == "chat" and not services.gateway.models:
        raise InvalidInput("No chat model is configured here.", field="profile")
    return wanted or ("chat" if services.gateway.models else "extractive")


def choose_writers(
    services: Services, payer: Payer, question: Question, wanted: Profile | None, deadline: Deadline
) -> Writers:
    """``question``: as it is searched for. Raises as :func:`choose_profile`."""
    profile = choose_profile(services, wanted)
    if profile == "extractive":
        return Writers((EXTRACTIVE,), deadline, payer)
    names = services.gateway.chain(Call(payer.tenant, difficulty(question.text), payer.workflow))
    if wanted == "chat":  # prose was asked for: sentences are the last resort, never the first
        names = (*(name for name in names if name != EXTRACTIVE), *(name for name in names if name == EXTRACTIVE))
    return Writers(names, deadline.keeping(AFTERWARDS_S), payer)


def generate(services: Services, question: str, passages: Sequence[Passage], writers: Writers) -> Draft:
    """When no model of the chain answers, and the embedded answerer is not in it, raises what the last one did:
    :class:`vouch.core.errors.ModelUnavailable`, or :class:`vouch.core.errors.ModelWithheld` where it may not be sent
    the question or its evidence."""
    if not passages:
        return Draft((), 0.0, "none")
    attempts: list[Json] = []
    abstained: Draft | None = None
    failure: ModelUnavailable | ModelWithheld | None = None
    for name in writers.names:
        began, usage = time.perf_counter(), _NOTHING
        try:
            draft = _write(services, name, question, passages, writers)
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
        if outcome == "wrote" or (outcome == "abstained" and name != EXTRACTIVE):
            return _noted(draft, question, attempts)
        if outcome == "abstained":
            abstained = draft
    if abstained is None:
        raise failure or ModelUnavailable("There is no model that may answer this.", reason="no_model")
    return _noted(abstained, question, attempts)


def _write(services: Services, name: str, question: str, passages: Sequence[Passage], writers: Writers) -> Draft:
    if name == EXTRACTIVE:
        return extract(question, tuple(passages), services.embedder, abstain_below=services.settings.abstain_below)
    return from_model(name, question, passages, paying(services, writers.payer, name, writers.deadline))


def _noted(draft: Draft, question: str, attempts: Sequence[Json]) -> Draft:
    """With what in the question reads as if it were meant for a model, and with who was tried, where that was more
    than the one who wrote."""
    asked = tuple(Suspected(None, one.ruse, one.span) for one in injection.find(question))
    usage = {**draft.usage, "attempts": list(attempts)} if len(attempts) > 1 else draft.usage
    for one in attempts[:-1]:
        FALLBACKS.labels(one["writer"], one["outcome"]).inc()
    return replace(draft, usage=usage, suspected=(*asked, *draft.suspected))
