"""What passes between the stages of a question. Everything is frozen: a new stage yields a new type.

Candidates that are found carry ids and scores only; text enters with ``Hit``, which exists only for a document that
gate 2 has admitted.
"""

from retrieval.types.asked import Facet, Mode, Part, Question, Reading, Rewritten
from retrieval.types.found import Candidate, ChunkKey, Demoted, Freshness, Hit, Passage, Scores
from retrieval.types.told import (
    Abstention,
    AbstentionReason,
    Card,
    Citation,
    CitedClaim,
    Conflict,
    Need,
    Notice,
    NoticeKind,
    Released,
    Reviewed,
    Status,
    Told,
)
from retrieval.types.written import (
    SOMEWHERE,
    Claim,
    Draft,
    DraftClaim,
    Evidence,
    Quote,
    Rejection,
    Suspected,
    Verdict,
    Verified,
)

__all__ = [
    "SOMEWHERE",
    "Abstention",
    "AbstentionReason",
    "Candidate",
    "Card",
    "ChunkKey",
    "Citation",
    "CitedClaim",
    "Claim",
    "Conflict",
    "Demoted",
    "Draft",
    "DraftClaim",
    "Evidence",
    "Facet",
    "Freshness",
    "Hit",
    "Mode",
    "Need",
    "Notice",
    "NoticeKind",
    "Part",
    "Passage",
    "Question",
    "Quote",
    "Reading",
    "Rejection",
    "Released",
    "Reviewed",
    "Rewritten",
    "Scores",
    "Status",
    "Suspected",
    "Told",
    "Verdict",
    "Verified",
]
