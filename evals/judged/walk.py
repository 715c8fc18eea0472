"""A question and its passages to what a reader would get: the product's own stages from writing to the output guard.

What is left out is access, which has no part in these sets, and with it the catalog.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evals.datasets import Evidence
from evals.judged.citations import Statement
from evals.judged.outcome import Outcome
from retrieval.draft import from_model
from retrieval.extract import extract
from retrieval.extract_model import load
from retrieval.pack import Packed
from retrieval.settle import Checks, Settled, Settling
from retrieval.texts import Texts
from retrieval.types import Claim, Draft, Passage, Verified
from vouch.catalog.blobs import Blobs
from vouch.core.deadline import Deadline
from vouch.core.errors import InvalidInput, ModelUnavailable, ModelWithheld
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, DraftRequest, Hear
from vouch.gateway.embed import Embedder
from vouch.gateway.gateway import Gateway
from vouch.gateway.model_file import EXTRACTIVE

TENANT = "evals"
_NOTHING = Draft((), 0.0, "none")

Write = Callable[[str, tuple[Passage, ...]], Draft]
"""A question and passages → a draft. Raises :class:`ModelUnavailable` and :class:`ModelWithheld`."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes the answers. ``threshold``: the confidence below which it abstains, None of a model, which decides for
    itself."""

    name: str
    write: Write
    threshold: float | None = None


def extractive(embedder: Embedder) -> Writer:
    """The embedded answerer, kept from abstaining, so that every threshold can be read off one run."""
    return Writer(EXTRACTIVE, lambda asked, shown: extract(asked, shown, embedder, abstain_below=0.0), load().threshold)


def by_model(gateway: Gateway, name: str, seconds: float) -> Writer:
    """A model of the gateway, asked as the product asks it; ``seconds`` is what one answer may take.

    Raises :class:`InvalidInput` for a name that the gateway does not know."""
    if name not in gateway.models:
        known = ", ".join((EXTRACTIVE, *gateway.models))
        raise InvalidInput(f"no model is called {name!r}; there is {known}", field="model")

    def ask(request: DraftRequest, hear: Hear | None) -> tuple[ChatReply, Json]:
        reply = gateway.write(name, request, Deadline.of(seconds), hear)
        read, written = reply.usage.input_tokens, reply.usage.output_tokens
        return reply, {"tokens": read + written, "cost": float(gateway.cost(name, read, written))}

    return Writer(name, lambda asked, shown: from_model(name, asked, shown, ask))


@dataclass(frozen=True, slots=True)
class Walk:
    """``embedder`` must not remember: what is measured is how long an answer takes."""

    writer: Writer
    embedder: Embedder
    blobs: Blobs
    _digests: dict[str, str] = field(default_factory=dict)

    def __call__(self, question: str, passages: tuple[Passage, ...], texts: Mapping[str, str]) -> Outcome:
        """``texts``: the whole text of each passage's document, by its id."""
        packed = Packed(passages, {one.n: self._digest(one.document_id, texts) for one in passages}, frozenset())
        began = time.perf_counter()
        try:
            draft, failed = self.writer.write(question, passages), False
        except (ModelUnavailable, ModelWithheld):
            draft, failed = _NOTHING, True
        confidence = draft.confidence
        if self.writer.threshold is not None and confidence < self.writer.threshold:
            draft = replace(draft, claims=())
        settled = Settling(Checks(self.embedder), Texts(self.blobs, TENANT), packed).settle(draft)
        return _outcome(settled, (confidence, time.perf_counter() - began, failed))

    def _digest(self, document: str, texts: Mapping[str, str]) -> str:
        if document not in self._digests:
            self._digests[document] = self.blobs.put(TENANT, texts[document].encode())
        return self._digests[document]


def _outcome(settled: Settled, told: tuple[float, float, bool]) -> Outcome:
    draft, verified = settled.draft, settled.verified
    confidence, seconds, failed = told
    shown = _released(verified)
    quoted = {(e.passage.n, e.text): Evidence(e.passage.document_id, e.span) for one in shown for e in one.evidence}
    pairs = (
        ((one.newer.passage, one.newer.text), (one.older.passage, one.older.text)) for one in settled.contradictions
    )
    return Outcome(
        statements=tuple(Statement(one.text, tuple(e.text for e in one.evidence)) for one in shown),
        cited=tuple(dict.fromkeys(quoted.values())),
        drafted=len(draft.claims),
        supported=sum(one.verdict == "supported" for one in verified.claims),
        ms=1000 * seconds,
        confidence=confidence,
        conflicts=tuple((quoted[newer], quoted[older]) for newer, older in pairs if {newer, older} <= quoted.keys()),
        tokens=int(draft.usage.get("tokens", 0)),
        cost=float(draft.usage.get("cost", 0.0)),
        failed=failed,
    )


def _released(verified: Verified) -> tuple[Claim, ...]:
    """As `retrieval/release.py` has it: without one claim that is supported there is no answer."""
    return verified.claims if any(one.verdict == "supported" for one in verified.claims) else ()
