"""Do two documents say different things? Finds, for each drafted claim, a sentence of another document that is
about the same and gives other numbers, so that both are shown rather than whichever ranked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from retrieval.extract_features import Sentence, gather
from retrieval.terms import numbers, stems
from retrieval.types import Draft, DraftClaim, Passage, Quote
from vouch.gateway.embed import Embedder

SHARED_TERMS = 3
OVERLAP = 0.5
"""Part of the shorter sentence's terms, numbers aside, that the other must share."""
COSINE = 0.6
LARGEST = 2
"""Contradicting sentences added to one answer."""
_NO_DATE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two quotes of different documents, the newer document's first."""

    newer: Quote
    older: Quote


def contrast(draft: Draft, passages: Sequence[Passage], embedder: Embedder) -> tuple[Draft, tuple[Contradiction, ...]]:
    """The draft with contradicting sentences added as claims of their own, right beside what they contradict.

    Superseded documents are left out: that they differ from their successor is what superseding means.
    """
    by_n = {passage.n: passage for passage in passages}
    sentences = [s for s in gather(passages) if s.passage.freshness.state != "superseded" and numbers(s.text)]
    claims: list[DraftClaim] = []
    found: list[Contradiction] = []
    drafted = {quote.text for claim in draft.claims for quote in claim.quotes}
    told: set[str] = set()
    for claim in draft.claims:
        if claim.text in told:
            continue
        rival = _rival(claim, by_n, sentences, embedder) if len(found) < LARGEST else None
        if rival is None:
            claims.append(claim)
            continue
        theirs = Quote(rival.passage.n, rival.span, rival.text)
        pair = [(claim, claim.quotes[0]), (DraftClaim(rival.text, (theirs,), claim.score), theirs)]
        pair.sort(key=lambda one: by_n[one[1].passage].modified_at or _NO_DATE, reverse=True)
        claims += [one for one, _ in pair]
        found.append(Contradiction(pair[0][1], pair[1][1]))
        if rival.text in drafted:
            told.add(rival.text)
    return replace(draft, claims=tuple(claims)), tuple(found)


def _rival(
    claim: DraftClaim, by_n: dict[int, Passage], sentences: Sequence[Sentence], embedder: Embedder
) -> Sentence | None:
    """The sentence most like the claim's quote that gives other numbers, in another document."""
    quote = claim.quotes[0] if len(claim.quotes) == 1 else None
    own = by_n.get(quote.passage) if quote else None
    if quote is None or own is None or own.freshness.state == "superseded":
        return None
    rivals = [s for s in sentences if s.passage.document_id != own.document_id and _differs(quote.text, s.text)]
    if not rivals:
        return None
    vectors = embedder.embed([quote.text, *(s.text for s in rivals)])
    cosines = vectors[1:] @ vectors[0]
    best = int(cosines.argmax())
    return rivals[best] if cosines[best] >= COSINE else None


def _differs(a: str, b: str) -> bool:
    """The same terms and other numbers: neither's numbers are all among the other's."""
    figures_a, figures_b = numbers(a), numbers(b)
    if figures_a <= figures_b or figures_b <= figures_a:
        return False
    terms_a, terms_b = stems(a) - stems(" ".join(figures_a)), stems(b) - stems(" ".join(figures_b))
    shared = len(terms_a & terms_b)
    return shared >= SHARED_TERMS and shared >= OVERLAP * min(len(terms_a), len(terms_b))
