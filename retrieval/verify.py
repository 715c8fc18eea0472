"""Check every claim against the documents' own text. Whoever wrote the draft, the rules are the same.

    a claim's quote    names a passage of the pack                      else unknown_citation
                       equals the document's text at its span           else altered_quote
    a claim            has a quote that holds                           else no_citation
                       says no number and no date that is not theirs    else unsupported
                       counts what they count                           else partial, or unsupported
                       names nobody they, or what is around, do not     else partial
                       denies what they deny, and nothing else          else partial
                       shares its terms with its quotes                 else partial, or unsupported

What is let through and is in a model's own words is asked about by `retrieval/entailment.py`, the dearest check.

Nothing is repaired here: what fails is refused and counted. Whether the asker may still read the documents is
decided after this, right before release.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.pack import Packed
from retrieval.particulars import strays
from retrieval.terms import numbers, stems
from retrieval.texts import Texts
from retrieval.types import SOMEWHERE, Claim, Draft, DraftClaim, Evidence, Passage, Quote, Rejection, Verdict, Verified
from vouch.core.errors import Unavailable
from vouch.core.types import Span

log = logging.getLogger(__name__)

SUPPORTED = 0.7
PARTIAL = 0.4
"""Least part of a claim's terms that its quotes must hold."""

_NEGATION = re.compile(r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE)


def verify(texts: Texts, draft: Draft, packed: Packed) -> Verified:
    """The claims that hold, each with the quotes that hold, and every refusal."""
    check = _Check(texts, {passage.n: passage for passage in packed.passages}, packed.digests)
    claims: list[Claim] = []
    rejected: list[Rejection] = []
    for drafted in draft.claims:
        outcomes = [check.quote(drafted, quote) for quote in drafted.quotes]
        evidence = tuple(outcome for outcome in outcomes if isinstance(outcome, Evidence))
        rejected += [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
        if not evidence:
            rejected += [Rejection(drafted.text, None, "no_citation")] if not drafted.quotes else []
            continue
        verdict, score = judge(drafted.text, [one.text for one in evidence], _around(evidence))
        if verdict == "unsupported":
            rejected.append(Rejection(drafted.text, None, "unsupported"))
        else:
            claims.append(Claim(drafted.text, evidence, verdict, score))
    return Verified(tuple(claims), tuple(rejected))


def judge(claim: str, quotes: Sequence[str], around: str = "") -> tuple[Verdict, float]:
    """Lexical support: the part of the claim's terms found in its quotes, 0..1, and the verdict.

    A number or a date that no quote says makes a claim unsupported. It is partial at best with a name that stands
    neither in its quotes nor ``around`` them, and with a negation on one side only.
    """
    together = " ".join(quotes)
    if claim == together:
        return "supported", 1.0
    said = stems(claim)
    if not said or numbers(claim) - numbers(together):
        return "unsupported", 0.0
    score = len(said & stems(together)) / len(said)
    stray = strays(claim, together, around)
    if score < PARTIAL or stray == "unsupported":
        return "unsupported", score
    agrees = stray is None and bool(_NEGATION.search(claim)) == bool(_NEGATION.search(together))
    return ("supported" if score >= SUPPORTED and agrees else "partial"), score


def _around(evidence: Sequence[Evidence]) -> str:
    """What the quotes stand in and under."""
    passages = {one.passage.n: one.passage for one in evidence}.values()
    return " ".join(part for one in passages for part in (one.title, *one.heading_path, one.text))


@dataclass(frozen=True, slots=True)
class _Check:
    texts: Texts
    passages: dict[int, Passage]
    digests: dict[int, str]

    def quote(self, claim: DraftClaim, quote: Quote) -> Evidence | Rejection:
        passage = self.passages.get(quote.passage)
        if passage is None:
            return Rejection(claim.text, quote.passage, "unknown_citation")
        span = _located(quote.text, passage) if quote.span == SOMEWHERE else quote.span
        if span is None or not quote.text.strip() or not _within(span, passage.span):
            return Rejection(claim.text, quote.passage, "altered_quote")
        try:
            whole = self.texts.of(self.digests[passage.n])
        except Unavailable:
            log.exception("the text of document %s version %d cannot be read", passage.document_id, passage.version)
            return Rejection(claim.text, quote.passage, "unreadable")
        if span.of(whole) != quote.text:
            return Rejection(claim.text, quote.passage, "altered_quote")
        return Evidence(passage, span, quote.text)


def _located(text: str, passage: Passage) -> Span | None:
    at = passage.text.find(text)
    return None if at < 0 else Span(passage.span.start + at, passage.span.start + at + len(text))


def _within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
