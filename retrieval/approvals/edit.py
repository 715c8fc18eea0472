"""A reviewer's own words in the place of a model's: held to the same rules, and refused whole where one fails.

    a claim's quote    is a citation that the answer has, or stands in a document that it cites
    a claim            is checked and guarded as a model's is, and says what is left of it then
                       is supported by its quotes, unless it stands in the answer as it is
    the answer         has a claim that is supported

What the answer was made from stays the same, and so do its readers. Its first text is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa
from sqlmodel import Session, col

from acl.audit import record, shown
from acl.caller import Asker
from acl.proof import digest
from retrieval.answers import citation_row
from retrieval.approvals.evidence import Evidence, gathered
from retrieval.approvals.opened import Opened, opened, require_mine
from retrieval.approvals.proved import recited
from retrieval.guard import guard_output
from retrieval.leaks import untold
from retrieval.metrics import APPROVALS
from retrieval.release import numbered, pieces
from retrieval.services import Services
from retrieval.texts import Texts
from retrieval.types import Citation, CitedClaim, Claim, Draft, DraftClaim, Notice, Released
from retrieval.verify import verify
from vouch.catalog.tables import Citation as CitationRow
from vouch.core.errors import EditRefused
from vouch.core.types import Json

REVIEWER = "reviewer"
"""Who wrote a draft, where it is an edit."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words of a document that the answer cites."""

    document_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class EditedClaim:
    """``citations`` are numbers of the answer's; ``quotes`` are new."""

    text: str
    citations: tuple[int, ...]
    quotes: tuple[Quoted, ...]


def edit(services: Services, reviewer: Asker, answer_id: str, version: int, claims: Sequence[EditedClaim]) -> Opened:
    """Put ``claims`` in the place of those of ``version``, which becomes the next one; nothing is released by it.

    Raises :class:`EditRefused` with the field and the reason, and what :func:`retrieval.approvals.opened.opened` and
    :func:`retrieval.approvals.opened.require_mine` raise.
    """
    texts = Texts(services.blobs, reviewer.tenant)
    with services.catalog.reading(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id)
        require_mine(found, reviewer, version)
        evidence = gathered(session, reviewer.tenant, services.recipe.chunker, texts, found.released.citations)
    try:
        verified = _verified(services, texts, evidence, found.released, claims)
    except EditRefused:
        APPROVALS.labels("refused").inc()
        raise
    with services.catalog.transaction(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id, lock=True)  # that took its time
        require_mine(found, reviewer, version)
        cards = {one.document.document_id: one.document for one in found.released.citations}
        cited, citations = numbered(verified, cards)
        _replace(session, found, reviewer, (cited, citations))
        session.flush()
        detail = shown(found.documents, found.access.epoch, version=found.row.version, proof=digest(found.answer.proof))
        record(session, reviewer, "approval.edit", f"answer:{answer_id}", detail)
        found = opened(session, reviewer, answer_id)
    APPROVALS.labels("edited").inc()
    return found


def _verified(
    services: Services, texts: Texts, evidence: Evidence, released: Released, claims: Sequence[EditedClaim]
) -> list[Claim]:
    """One claim for each, in order. Raises :class:`EditRefused`."""
    refused = untold(services.settings)
    standing = {(one.text, frozenset(one.citations)) for one in released.claims}
    found = []
    for n, edited in enumerate(claims):
        field = f"claims.{n}"
        draft = _draft(evidence, edited, field)
        verified = verify(texts, draft, evidence.packed)
        if verified.rejected or not verified.claims:
            reason = verified.rejected[0].reason if verified.rejected else "no_citation"
            raise EditRefused(_REFUSED.get(reason, reason), field=field, reason=reason)
        guarded = guard_output(verified, draft, refused)
        if not guarded.claims:
            reason = guarded.rejected[-1].reason
            raise EditRefused(_REFUSED.get(reason, reason), field=f"{field}.text", reason=reason)
        (claim,) = guarded.claims
        if claim.text.split() != edited.text.split():
            raise EditRefused(_REFUSED["not_plain"], field=f"{field}.text", reason="not_plain")
        stands = not edited.quotes and (edited.text, frozenset(edited.citations)) in standing
        if claim.verdict != "supported" and not stands:
            raise EditRefused(_REFUSED["partial"], field=f"{field}.text", reason="partial")
        found.append(claim)
    if not any(claim.verdict == "supported" for claim in found):
        raise EditRefused(_REFUSED["unsupported"], field="claims", reason="unsupported")
    return found


_REFUSED = {
    "unknown_citation": "The answer has no citation of that number, or cites no such document.",
    "altered_quote": "The quote does not stand in the document, character for character.",
    "no_citation": "A claim needs a citation or a quote.",
    "unsupported": "The quotes do not say that.",
    "partial": "The quotes say only part of that, or one of the two says no where the other does not.",
    "unreadable": "The document's text cannot be read.",
    "leaked": "The text holds a secret that no quote has, or a piece of the instructions.",
    "private": "The text or a quote holds what no answer may tell.",
    "not_plain": "The text holds markup, a link, an address or a mark, or rests on words meant for a model.",
}


def _draft(evidence: Evidence, edited: EditedClaim, field: str) -> Draft:
    quotes = [evidence.cited(n) for n in edited.citations]
    for n, one in enumerate(edited.quotes):
        quote = evidence.quoted(one.document_id, one.quote)
        if quote is None:
            raise EditRefused(_REFUSED["unknown_citation"], field=f"{field}.quotes.{n}", reason="unknown_citation")
        quotes.append(quote)
    claim = DraftClaim(edited.text, tuple(quotes), 1.0)
    return Draft((claim,), 1.0, REVIEWER, suspected=evidence.suspected(quotes))


def _replace(
    session: Session, found: Opened, reviewer: Asker, made: tuple[tuple[CitedClaim, ...], tuple[Citation, ...]]
) -> None:
    (cited, citations), row, answer, before = made, found.row, found.answer, found.released
    if row.original is None:
        row.original = _kept(before)
    row.version, row.edited_by = row.version + 1, reviewer.user
    answer.claims = [asdict(claim) for claim in cited]
    answer.text = "".join(pieces(cited))
    answer.notices = [asdict(notice) for notice in _notices(before, citations)]
    answer.proof = recited(answer.proof, citations)
    mine = (col(CitationRow.tenant_id) == answer.tenant_id, col(CitationRow.answer_id) == answer.id)
    session.execute(sa.delete(CitationRow).where(*mine))
    session.add_all(citation_row(answer.tenant_id, answer.id, citation) for citation in citations)


def _kept(released: Released) -> Json:
    """The first text, for who looks into it later. Of documents ids and offsets, and what was quoted."""
    return {
        "text": released.text,
        "claims": [asdict(claim) for claim in released.claims],
        "citations": [
            {
                "n": one.n,
                "document_id": one.document.document_id,
                "version": one.version,
                "span": asdict(one.span),
                "quote": one.quote,
            }
            for one in released.citations
        ],
    }


def _notices(before: Released, citations: Iterable[Citation]) -> list[Notice]:
    """Those that still speak of what is cited: a conflict while both sides are, another while one of its is."""
    number = {_place(one): one.n for one in citations}
    now = {one.n: number.get(_place(one)) for one in before.citations}
    found = []
    for notice in before.notices:
        left = tuple(n for n in (now.get(n) for n in notice.citations) if n is not None)
        if left and (notice.kind != "conflict" or len(left) == len(notice.citations)):
            found.append(replace(notice, citations=left))
    return found


def _place(one: Citation) -> tuple[str, int, int, int]:
    return (one.document.document_id, one.version, one.span.start, one.span.end)
