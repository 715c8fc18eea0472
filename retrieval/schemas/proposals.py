"""Proposed questions, as they are answered over HTTP."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from retrieval.proposals.candidates import Evidence, Kind, Named
from retrieval.proposals.choose import Chosen, Proposal, Reason
from vouch.core.types import Json


class NamedDocument(BaseModel):
    """By the name that outlives its versions."""

    source_id: str
    external_id: str

    @classmethod
    def of(cls, name: Named) -> Self:
        return cls(source_id=name.source_id, external_id=name.external_id)


class ProposedEvidence(NamedDocument):
    document_id: str
    version: int
    title: str
    heading_path: list[str]
    quote: str = Field(description="How the part that answers begins, at most 300 characters.")

    @classmethod
    def about(cls, one: Evidence) -> Self:
        return cls(
            source_id=one.name.source_id,
            external_id=one.name.external_id,
            document_id=one.document_id,
            version=one.version,
            title=one.title,
            heading_path=list(one.heading_path),
            quote=one.quote,
        )


class ProposedQuestion(BaseModel):
    id: str = Field(description="The same whenever the same question is proposed with the same evidence.")
    kind: Kind = Field(
        description="`link`: what a document calls another one. `heading`: of a section that alone is called so."
        " `helpful`, `unhelpful`, `abstention`: you asked it, and it was answered well, badly, or not at all."
    )
    question: str
    evidence: list[ProposedEvidence] = Field(description="What answers it; none where a person has to say.")
    taken_from: list[NamedDocument] = Field(description="Documents that hold its words without answering it.")

    @classmethod
    def of(cls, one: Proposal) -> Self:
        found = one.candidate
        return cls(
            id=one.id,
            kind=found.kind,
            question=found.question,
            evidence=[ProposedEvidence.about(evidence) for evidence in found.evidence],
            taken_from=[NamedDocument.of(name) for name in found.taken_from],
        )


class ProposalsResponse(BaseModel):
    proposals: list[ProposedQuestion]
    considered: int = Field(description="Candidates that were looked at.")
    dropped: dict[Reason, int] = Field(description="How many were passed over, by reason.")

    @classmethod
    def of(cls, found: Chosen) -> Self:
        return cls(
            proposals=[ProposedQuestion.of(one) for one in found.proposals],
            considered=found.considered,
            dropped=dict(found.dropped),
        )


EXAMPLE: Json = {
    "proposals": [
        {
            "id": "5f0c7a1d9b3e2468",
            "kind": "link",
            "question": "how long parents may stay at home",
            "evidence": [
                {
                    "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
                    "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
                    "external_id": "hr/parental-leave.md",
                    "version": 3,
                    "title": "Parental leave",
                    "heading_path": ["Parental leave", "Duration"],
                    "quote": "Every parent may take 20 weeks of paid leave.",
                }
            ],
            "taken_from": [{"source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162", "external_id": "hr/first-weeks.md"}],
        }
    ],
    "considered": 412,
    "dropped": {"in_title": 61, "too_common": 38, "shared": 27},
}
