"""`/v1/evals`: questions for an evaluation set of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vouch.client.http import Connection
from vouch.client.results import Result


class NamedDocument(Result):
    source_id: str
    external_id: str


class ProposedEvidence(NamedDocument):
    """A part of a document that answers, and how it begins."""

    document_id: str
    version: int
    title: str
    heading_path: tuple[str, ...]
    quote: str


class ProposedQuestion(Result):
    """``evidence`` is empty where a person has to say what answers it."""

    id: str
    kind: Literal["link", "heading", "helpful", "unhelpful", "abstention"]
    question: str
    evidence: tuple[ProposedEvidence, ...]
    taken_from: tuple[NamedDocument, ...]


class Proposals(Result):
    """``dropped``: candidates that were passed over, by reason."""

    proposals: tuple[ProposedQuestion, ...]
    considered: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Evals:
    """`/v1/evals`."""

    connection: Connection

    def proposals(self, *, limit: int = 100, seed: int = 0) -> Proposals:
        """What the documents of the user that the client acts for propose (scope `ask`)."""
        return self.connection.get("/v1/evals/proposals", Proposals, {"limit": limit, "seed": seed})
