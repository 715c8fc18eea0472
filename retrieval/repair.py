"""A claim that was refused is mended once: by rule where its quote differs from the document in nothing but spaces and
the shape of marks, else by the model that wrote it. What is refused then is left out, and the answer says so.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from retrieval.draft import mended
from retrieval.export import Attempt
from retrieval.generate import Writers
from retrieval.services import Services
from retrieval.settle import Settling
from retrieval.spend import paying
from retrieval.types import SOMEWHERE, Draft, DraftClaim, Passage, Quote
from vouch.core.errors import ModelUnavailable, ModelWithheld

log = logging.getLogger(__name__)

MENDED = frozenset({"altered_quote", "unknown_citation", "no_citation", "unsupported", "not_entailed"})
"""Why a claim was refused that may be mended. One that leaks, or whose document cannot be read, is not tried again."""
_ALIKE = ("'\u2018\u2019\u02bc\u2032", '"\u201c\u201d\u201e\u00ab\u00bb\u2033', "-\u2010\u2011\u2012\u2013\u2014\u2212")
_CLASSES = {mark: f"[{re.escape(marks)}]" for marks in _ALIKE for mark in marks}
_LONGEST = 4_000
"""Characters of a quote that is looked for in other spaces and marks."""


def repair(
    services: Services, question: str, passages: Sequence[Passage], writers: Writers, settling: Settling
) -> Draft:
    """The draft that is settled, with claims at its end that take the place of those that failed."""
    draft, failed = settling.draft, settling.so_far.failed
    by_n = {passage.n: passage for passage in passages}
    tried = [(claim, why, exact(claim, by_n)) for claim, why in failed if why in MENDED]
    by_rule = tuple(exact for _, _, exact in tried if exact is not None)
    draft = replace(draft, claims=(*draft.claims, *by_rule))
    left = [(claim, why) for claim, why, exact in tried if exact is None]
    if not left or not draft.model or "cut_off" in draft.usage:
        return draft
    began, outcome, name = time.perf_counter(), "mended", draft.model
    try:
        draft = mended(draft, question, passages, left, paying(services, writers.payer, name, writers.deadline))
    except (ModelUnavailable, ModelWithheld) as error:
        outcome = str(error.extra.get("reason", "withheld"))
        log.info("%d claims are left out: the model could not be asked again (%s)", len(left), outcome)
    spent = time.perf_counter() - began
    writers.tried(Attempt(name, services.gateway.behind(name), outcome, began, spent, draft.usage))
    return draft


def exact(claim: DraftClaim, passages: dict[int, Passage]) -> DraftClaim | None:
    """The claim with the documents' own words in its quotes; None where one of them is not among theirs."""
    quotes = [_words(quote, passages.get(quote.passage)) for quote in claim.quotes]
    found = tuple(quote for quote in quotes if quote is not None)
    return replace(claim, quotes=found) if found and len(found) == len(quotes) and found != claim.quotes else None


def _words(quote: Quote, passage: Passage | None) -> Quote | None:
    if passage is None or not quote.text.strip() or len(quote.text) > _LONGEST:
        return None
    parts = ("".join(_CLASSES.get(mark, re.escape(mark)) for mark in word) for word in quote.text.split())
    places = list(re.finditer(r"\s+".join(parts), passage.text))
    return Quote(quote.passage, SOMEWHERE, places[0].group()) if len(places) == 1 else None
