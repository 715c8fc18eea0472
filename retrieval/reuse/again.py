"""An earlier answer as a draft on the passages of today: what was written is proposed anew, and everything after it
(verification, guards, the last check of access, notices, proof) is as with any draft."""

from __future__ import annotations

from retrieval.pack import Packed
from retrieval.reuse.store import Earlier
from retrieval.texts import Texts
from retrieval.types import Draft, DraftClaim, Passage, Quote, Suspected
from retrieval.verify import verify
from vouch.catalog.tables import Citation
from vouch.core.types import Json, Span
from vouch.gateway import injection

RELIABLE = frozenset({"fresh", "due"})
"""States of a document in which what was said of it for another question may be said for this one."""


def redraft(before: Earlier, words: str, packed: Packed) -> Draft | None:
    """None where a quote of it is in no passage of ``packed``."""
    claims = tuple(_claim(claim, before, packed) for claim in before.claims)
    if not claims or not all(claims):
        return None
    suspected = tuple(Suspected(None, one.ruse, one.span) for one in injection.find(words))
    usage = {"model": before.model} if before.model else {}
    said = tuple(one for one in claims if one)
    return Draft(said, before.confidence, before.writer, usage=usage, suspected=suspected, prompt=before.prompt)


def holds(texts: Texts, draft: Draft, packed: Packed) -> bool:
    """Every claim is verified against the documents' text, and nothing of it refused."""
    verified = verify(texts, draft, packed)
    whole = len(verified.claims) == len(draft.claims) and not verified.rejected
    return whole and all(claim.verdict == "supported" for claim in verified.claims)


def same_versions(before: Earlier, draft: Draft, packed: Packed) -> bool:
    """For a question that is not quite the same: the writer was shown every version that this one finds, so nothing
    that came since would be passed over. Prose may rest on all that its writer was shown: that is found again too.
    And nothing that is quoted has aged."""
    found = {(passage.document_id, passage.version) for passage in packed.passages}
    by_n = {passage.n: passage for passage in packed.passages}
    quoted = [by_n[quote.passage] for claim in draft.claims for quote in claim.quotes]
    if not found <= before.passages or not all(one.freshness.state in RELIABLE for one in quoted):
        return False
    verbatim = all(claim.text == " ".join(quote.text for quote in claim.quotes) for claim in draft.claims)
    return verbatim or before.passages <= found


def _claim(claim: Json, before: Earlier, packed: Packed) -> DraftClaim | None:
    quotes = [_quote(before.quotes[n], packed) if n in before.quotes else None for n in claim["citations"]]
    if not quotes or not all(quotes):
        return None
    return DraftClaim(claim["text"], tuple(quote for quote in quotes if quote), float(claim["score"]))


def _quote(cited: Citation, packed: Packed) -> Quote | None:
    passage = next((one for one in packed.passages if _holds(one, cited)), None)
    return None if passage is None else Quote(passage.n, Span(cited.span_start, cited.span_end), cited.quote)


def _holds(passage: Passage, cited: Citation) -> bool:
    same = (passage.document_id, passage.version) == (cited.document_id, cited.version)
    return same and passage.span.start <= cited.span_start and cited.span_end <= passage.span.end
