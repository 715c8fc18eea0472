"""The proof of an answer after a reviewer has had it: the same documents, cited where it cites them now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from acl.proof import CitedSpan, Proof, Used, decided
from acl.resolve import Access
from retrieval.types import Citation
from vouch.core.types import Json, Span

Version = tuple[str, int]


def recited(proof: Json, citations: Sequence[Citation]) -> Json:
    """``proof`` with other citations: what decided about its documents stays as it was."""
    kept, cited = Proof.model_validate(proof), _cited(citations)
    documents = tuple(
        one.model_copy(
            update={
                "cited": tuple(
                    CitedSpan(n=n, start=span.start, end=span.end)
                    for n, span in sorted(cited.get((one.document_id, one.version), {}).items())
                )
            }
        )
        for one in kept.documents
    )
    return kept.model_copy(update={"documents": documents}).as_json()


def proved(session: Session, access: Access, proof: Json, citations: Sequence[Citation]) -> Json:
    """A proof of today for the versions that ``proof`` names, as ``access`` reads them in this session."""
    kept, cited = Proof.model_validate(proof), _cited(citations)
    ids = {one.document_id for one in kept.documents}
    used = (Used(one.document_id, one.version, cited.get((one.document_id, one.version), {})) for one in kept.documents)
    return decided(session, access, ids).proof(kept.generation, used).as_json()


def _cited(citations: Sequence[Citation]) -> dict[Version, dict[int, Span]]:
    found: dict[Version, dict[int, Span]] = {}
    for citation in citations:
        found.setdefault((citation.document.document_id, citation.version), {})[citation.n] = citation.span
    return found
