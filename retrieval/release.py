"""The last check of access, in a new snapshot, and what is released after it: an answer or an abstention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acl.proof import Used, decided
from acl.resolve import Access
from retrieval.dispute import disputes
from retrieval.documents import cards
from retrieval.notices import notices, shortfalls
from retrieval.pack import Packed
from retrieval.services import Services
from retrieval.settle import Settled
from retrieval.terms import key_terms, stems
from retrieval.types import (
    Abstention,
    AbstentionReason,
    Card,
    Citation,
    CitedClaim,
    Claim,
    Draft,
    Evidence,
    Passage,
    Released,
    Verified,
)
from vouch.core.ids import new_id
from vouch.core.places import place_at
from vouch.core.sentences import ROW_SEPARATOR
from vouch.core.types import Json

REFUSAL = "Nothing that you can read answers this question."
NEAREST = 2
"""Owners that an abstention names."""


def release(
    services: Services,
    access: Access,
    question: str,
    packed: Packed,
    settled: Settled,
) -> Released:
    """Claims whose every source the asker may still read; an abstention when none of those is supported.

    A verbatim claim was made of the documents it cites, a model's prose of everything it was shown. An abstention
    reads the same whether there is nothing to find, or something that the asker may not see.
    """
    draft, verified = settled.draft, settled.verified
    with services.catalog.reading(access.tenant) as session:
        disputed = disputes(session, access, _quoted(verified))
        besides = {dispute.other for dispute in disputed} | _successors(packed)
        access, readable = cards(session, access, packed.document_ids | packed.withheld | besides)
        state = decided(session, access, readable.keys())
    claims = [claim for claim in verified.claims if _inputs(claim, packed) <= readable.keys()]
    if not any(claim.verdict == "supported" for claim in claims):
        shown = tuple((one, readable[one.document_id]) for one in packed.passages if one.document_id in readable)
        left = _Left(access.user, shown, lost=len(claims) < len(verified.claims))
        return _abstention(question, left, (draft, verified), state.proof(services.generation, ()).as_json())
    citations = _citations(claims, readable)
    cited = _cited(claims, citations)
    inputs = frozenset[str]().union(*(_inputs(claim, packed) for claim in claims))
    return Released(
        id=new_id(),
        text="".join(pieces(cited)),
        claims=cited,
        citations=citations,
        notices=(*notices(citations, readable, packed, settled.contradictions, disputed), *shortfalls(settled)),
        abstention=None,
        rejected=len(verified.rejected),
        usage=_usage(draft),
        inputs=inputs,
        proof=state.proof(services.generation, _used(inputs, packed, citations)).as_json(),
    )


def pieces(claims: Sequence[CitedClaim]) -> list[str]:
    """The answer's text, claim by claim: ``Leave is 20 days. [1][2]``, each with what parts it from the one before.

    Sentences follow one another; a table's row or a list has lines of its own.
    """
    found: list[str] = []
    for n, claim in enumerate(claims):
        apart = any(ROW_SEPARATOR in text or "\n" in text for text in (claim.text, claims[n - 1].text))
        before = "" if n == 0 else "\n" if apart else " "
        found.append(f"{before}{claim.text} {''.join(f'[{number}]' for number in claim.citations)}")
    return found


def _successors(packed: Packed) -> set[str]:
    return {passage.freshness.superseded_by for passage in packed.passages if passage.freshness.superseded_by}


def _quoted(verified: Verified) -> set[str]:
    return {one.passage.document_id for claim in verified.claims for one in claim.evidence}


def _inputs(claim: Claim, packed: Packed) -> frozenset[str]:
    cited = frozenset(one.passage.document_id for one in claim.evidence)
    return cited if claim.verbatim else cited | packed.document_ids


def _used(inputs: frozenset[str], packed: Packed, citations: Sequence[Citation]) -> tuple[Used, ...]:
    """Each version that fed the answer, with the citations of it."""
    versions = {(one.document_id, one.version) for one in packed.passages if one.document_id in inputs}
    return tuple(
        Used(id_, version, {c.n: c.span for c in citations if (c.document.document_id, c.version) == (id_, version)})
        for id_, version in sorted(versions)
    )


def _citations(claims: Sequence[Claim], readable: Mapping[str, Card]) -> tuple[Citation, ...]:
    """Each distinct quote once, numbered in order of first use."""
    distinct: dict[tuple[str, int, int, int], Evidence] = {}
    for claim in claims:
        for one in claim.evidence:
            distinct.setdefault(_place(one), one)
    return tuple(_citation(n, one, readable[one.passage.document_id]) for n, one in enumerate(distinct.values(), 1))


def _citation(n: int, one: Evidence, document: Card) -> Citation:
    """Its place is that of the very words that it quotes."""
    return Citation(n, document, one.passage.version, one.span, one.text, place_at(one.passage.places, one.span))


def _cited(claims: Sequence[Claim], citations: Sequence[Citation]) -> tuple[CitedClaim, ...]:
    number = {(c.document.document_id, c.version, c.span.start, c.span.end): c.n for c in citations}
    return tuple(
        CitedClaim(
            claim.text,
            tuple(dict.fromkeys(number[_place(one)] for one in claim.evidence)),
            claim.verdict,
            round(claim.score, 4),
        )
        for claim in claims
    )


def numbered(
    claims: Sequence[Claim], readable: Mapping[str, Card]
) -> tuple[tuple[CitedClaim, ...], tuple[Citation, ...]]:
    """Claims as an answer gives them, with their citations: for who makes one of verified claims by other ways."""
    citations = _citations(claims, readable)
    return _cited(claims, citations), citations


def _place(one: Evidence) -> tuple[str, int, int, int]:
    return (one.passage.document_id, one.passage.version, one.span.start, one.span.end)


@dataclass(frozen=True, slots=True)
class _Left:
    """What of the evidence ``asker`` may read now; ``lost`` where a claim's is not among it any more."""

    asker: str
    shown: tuple[tuple[Passage, Card], ...]
    lost: bool


def _abstention(question: str, left: _Left, written: tuple[Draft, Verified], proof: Json) -> Released:
    draft, verified = written
    said = [stems(" ".join((passage.title, *passage.heading_path, passage.text))) for passage, _ in left.shown]
    held = frozenset[int]().union(*said)
    uncovered = [term for term in key_terms(question) if not stems(term) <= held]
    # A document that has none of the question's words is near to nothing, and its owner not to be bothered.
    terms = [stems(term) for term in key_terms(question)]
    near = (card.owner for (_, card), words in zip(left.shown, said, strict=True) if any(one <= words for one in terms))
    ask = tuple(dict.fromkeys(owner for owner in near if owner not in (None, left.asker)))[:NEAREST]
    reason: AbstentionReason = "no_evidence" if uncovered or left.lost or not left.shown else "low_confidence"
    missing = (
        f"No passage mentions: {', '.join(uncovered)}."
        if uncovered
        else "The words of the question occur, but no sentence answers it."
    )
    return Released(
        id=new_id(),
        text=" ".join(
            (REFUSAL, missing, *((f"Ask {' or '.join(ask)}: the nearest documents are theirs.",) if ask else ()))
        ),
        claims=(),
        citations=(),
        notices=(),
        abstention=Abstention(reason, missing, ask),
        rejected=len(verified.rejected),
        usage=_usage(draft),
        inputs=frozenset(passage.document_id for passage, _ in left.shown),  # which of the words occur, these told
        proof=proof,
    )


def _usage(draft: Draft) -> dict[str, object]:
    return {"writer": draft.writer, "input_tokens": 0, "output_tokens": 0, **draft.usage}
