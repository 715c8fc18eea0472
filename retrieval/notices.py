"""What the reader should know of the evidence: what is superseded, what is stale, what contradicts what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from retrieval.contrast import Contradiction
from retrieval.dispute import Dispute
from retrieval.pack import Packed
from retrieval.settle import Settled
from retrieval.types import Card, Citation, Notice, NoticeKind, Quote
from vouch.core.freshness import State

_WARNINGS: Mapping[State, tuple[NoticeKind, str]] = {
    "stale": ("stale", "is older than its source allows; it may be out of date."),
    "expired": ("expired", "has expired; what it says may no longer hold."),
    "source_gone": ("source_gone", "comes from a source that can no longer be read; it may have changed or be gone."),
}


MOST_DISPUTED = 3
"""Notices on figures that a document says otherwise which is not cited itself."""


def notices(
    citations: Sequence[Citation],
    readable: Mapping[str, Card],
    packed: Packed,
    contradictions: Sequence[Contradiction],
    disputes: Sequence[Dispute] = (),
) -> tuple[Notice, ...]:
    """Notices on the cited documents, and on superseded ones that gave way to them. Only of what is readable."""
    told = _conflicts(citations, packed, contradictions)
    return (
        *_gave_way(citations, readable, packed),
        *_cited_though_old(citations, readable),
        *told,
        *_disputed(citations, readable, disputes, {frozenset(notice.document_ids) for notice in told}),
    )


def shortfalls(settled: Settled) -> tuple[Notice, ...]:
    """Notices on the answer itself: that it breaks off, and that a part of its draft is not in it."""
    found: list[Notice] = []
    if "cut_off" in settled.draft.usage:
        found.append(Notice("incomplete", "The model stopped before the end of its answer; there may be more.", ()))
    if settled.draft.unanswered:
        parts = " ".join(f"“{part}”" for part in settled.draft.unanswered)
        found.append(Notice("incomplete", f"Nothing that you can read answers this part of the question: {parts}", ()))
    if settled.left_out:
        were = "sentence was" if settled.left_out == 1 else "sentences were"
        text = f"{settled.left_out} {were} left out: the documents do not bear out what the draft said."
        found.append(Notice("left_out", text, ()))
    return tuple(found)


def _gave_way(citations: Sequence[Citation], readable: Mapping[str, Card], packed: Packed) -> list[Notice]:
    cited = _numbers_by_document(citations)
    found: list[Notice] = []
    for document_id in sorted(packed.withheld & readable.keys()):
        old = readable[document_id]
        new = readable.get(old.freshness.superseded_by or "")
        if new is not None and new.document_id in cited:
            text = f"{_named(old)} is superseded by {_named(new)} and was not used."
            found.append(Notice("superseded", text, (old.document_id, new.document_id), cited[new.document_id]))
    return found


def _cited_though_old(citations: Sequence[Citation], readable: Mapping[str, Card]) -> list[Notice]:
    found: list[Notice] = []
    for document_id, numbers in _numbers_by_document(citations).items():
        card = readable[document_id]
        if card.freshness.state == "superseded":
            new = readable.get(card.freshness.superseded_by or "")
            by = f" by {_named(new)}" if new else ""
            about = (document_id, new.document_id) if new else (document_id,)
            text = f"{_named(card)} is superseded{by}; what it says may no longer hold."
            found.append(Notice("superseded", text, about, numbers))
        elif warning := _WARNINGS.get(card.freshness.state):
            found.append(Notice(warning[0], f"{_named(card)} {warning[1]}", (document_id,), numbers))
    return found


def _conflicts(citations: Sequence[Citation], packed: Packed, contradictions: Sequence[Contradiction]) -> list[Notice]:
    document_of = {passage.n: passage.document_id for passage in packed.passages}

    def citation(quote: Quote) -> Citation | None:
        place = (document_of[quote.passage], quote.text)
        return next((c for c in citations if (c.document.document_id, c.quote) == place), None)

    found: list[Notice] = []
    for pair in contradictions:
        newer, older = citation(pair.newer), citation(pair.older)
        if newer is not None and older is not None:
            text = f"{_named(newer.document)} and {_named(older.document)} say different things; both are cited."
            about = (newer.document.document_id, older.document.document_id)
            found.append(Notice("conflict", text, about, (newer.n, older.n)))
    return found


def _disputed(
    citations: Sequence[Citation],
    readable: Mapping[str, Card],
    disputes: Sequence[Dispute],
    told: Set[frozenset[str]],
) -> list[Notice]:
    """What is quoted says a figure that a document like the cited one says otherwise. That a document differs from
    its successor is what superseding means, and is told as that."""
    found: list[Notice] = []
    for dispute in disputes:
        numbers = tuple(citation.n for citation in citations if _quotes(citation, dispute))
        mine, other = readable.get(dispute.document_id), readable.get(dispute.other)
        if not numbers or mine is None or other is None or frozenset((dispute.document_id, dispute.other)) in told:
            continue
        if "superseded" in (mine.freshness.state, other.freshness.state):
            continue
        text = f"{_named(mine)} says “{dispute.ours.said}” where {_named(other)} says “{dispute.theirs.said}”."
        found.append(Notice("conflict", text, (mine.document_id, other.document_id), numbers))
    return found[:MOST_DISPUTED]


def _quotes(citation: Citation, dispute: Dispute) -> bool:
    figure = dispute.ours.figure
    of_it = (citation.document.document_id, citation.version) == (dispute.document_id, dispute.version)
    return of_it and citation.span.start < figure.end and figure.start < citation.span.end


def _numbers_by_document(citations: Sequence[Citation]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for citation in citations:
        document_id = citation.document.document_id
        found[document_id] = (*found.get(document_id, ()), citation.n)
    return found


def _named(card: Card) -> str:
    modified = card.freshness.modified_at
    return f"“{card.title}”" + (f" (last modified {modified.date().isoformat()})" if modified else "")
