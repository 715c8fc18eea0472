"""Do two documents say different things? Finds, for each drafted claim, a sentence of another document that is
about the same and gives other numbers, so that both are shown rather than whichever ranked first."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from retrieval.extract_features import Sentence, gather
from retrieval.terms import numbers, stems_without_numbers
from retrieval.types import Draft, DraftClaim, Passage, Quote
from vouch.gateway.embed import Embedder

SHARED_TERMS = 2
SAME_WORDING = 0.5
"""Jaccard similarity of two sentences' terms, numbers aside, from which on they count as one sentence pattern."""
COSINE = 0.7
"""Least cosine of two sentences that are about the same."""
LARGEST = 2
"""Contradicting sentences added to one answer."""
_NO_DATE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two quotes of different documents, the newer document's first."""

    newer: Quote
    older: Quote


def contrast(
    draft: Draft,
    passages: Sequence[Passage],
    embedder: Embedder,
    before: AbstractSet[str] = frozenset(),
    rivals: int = 0,
) -> tuple[Draft, tuple[Contradiction, ...]]:
    """The draft with contradicting sentences added as claims of their own, right beside what they contradict.
    ``before``: claims of the same answer that stand already, with ``rivals`` sentences added to them.

    Superseded documents are left out: that they differ from their successor is what superseding means.
    """
    by_n = {passage.n: passage for passage in passages}
    sentences = [s for s in gather(passages) if s.passage.freshness.state != "superseded" and numbers(s.text)]
    claims: list[DraftClaim] = []
    found: list[Contradiction] = []
    told = set(before)
    for claim in draft.claims:
        if claim.text in told:
            continue
        rival = _rival(claim, by_n, sentences, embedder) if len(found) + rivals < LARGEST else None
        if rival is None:
            claims.append(claim)
            told.add(claim.text)
            continue
        theirs = Quote(rival.passage.n, rival.span, rival.text)
        pair = [(claim, claim.quotes[0]), (DraftClaim(rival.text, (theirs,), claim.score), theirs)]
        pair.sort(key=lambda one: by_n[one[1].passage].modified_at or _NO_DATE, reverse=True)
        claims += [one for one, _ in pair if one.text not in told]
        told |= {claim.text, rival.text}
        found.append(Contradiction(pair[0][1], pair[1][1]))
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
    """One figure stands in the place of another, in sentences about the same.

    Two sentences of one pattern that differ in a word on either side are about different things (Norway and
    Portugal, managers and directors), so that their figures differ is no contradiction.
    """
    figures_a, figures_b = numbers(a), numbers(b)
    if len(figures_a - figures_b) != 1 or len(figures_b - figures_a) != 1:
        return False
    terms_a, terms_b = stems_without_numbers(a), stems_without_numbers(b)
    shared = terms_a & terms_b
    if len(shared) < SHARED_TERMS:
        return False
    one_pattern = len(shared) >= SAME_WORDING * len(terms_a | terms_b)
    return not (one_pattern and terms_a - shared and terms_b - shared)
