"""A typed client of Vouch's HTTP interface.

    with Client("http://127.0.0.1:8080", key) as vouch:
        job_id = vouch.sources.sync("handbook")
        for job in vouch.jobs.events(job_id): ...
        answer = vouch.as_user("user:alice").ask("How many days of parental leave?")

Failures are raised as the same classes of `vouch.core.errors` that the platform raised, told apart by their `code`.
"""

from vouch.client.client import Client
from vouch.client.results import (
    Abstention,
    Answer,
    Citation,
    Claim,
    Connector,
    Conversation,
    Document,
    Explanation,
    Freshness,
    Hit,
    Job,
    Key,
    MadeKey,
    Notice,
    SearchResult,
    Source,
    Span,
    Step,
    TextPart,
    Token,
    Trace,
)

__all__ = [
    "Abstention",
    "Answer",
    "Citation",
    "Claim",
    "Client",
    "Connector",
    "Conversation",
    "Document",
    "Explanation",
    "Freshness",
    "Hit",
    "Job",
    "Key",
    "MadeKey",
    "Notice",
    "SearchResult",
    "Source",
    "Span",
    "Step",
    "TextPart",
    "Token",
    "Trace",
]
