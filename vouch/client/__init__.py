"""A typed client of Vouch's HTTP interface.

    with Client("http://127.0.0.1:8080", key) as vouch:
        job_id = vouch.sources.sync("handbook")
        for job in vouch.jobs.events(job_id): ...
        answer = vouch.as_user("user:alice").ask("How many days of parental leave?")

Failures are raised as the same classes of `vouch.core.errors` that the platform raised, told apart by their `code`.
"""

from vouch.client.access import AccessChange, AgeOf, Explanation, Moved, ReadableDocument, Reader, Replay
from vouch.client.approvals import Approval, Waiting
from vouch.client.audit import AuditBreak, AuditChain, AuditEntry, AuditHead, AuditVerified
from vouch.client.break_glass import Grant, Notification
from vouch.client.client import Client
from vouch.client.evals import EvalRun, EvalSet
from vouch.client.generations import Generation, GenerationList
from vouch.client.mail import MailStanding
from vouch.client.releases import Compared, Comparisons, Release, Released
from vouch.client.reports import (
    Delivery,
    GroupStaleness,
    OwnerReport,
    QuarantinedDocument,
    ReportedDocument,
    ReportSchedule,
    StalenessReport,
    UsedDocument,
)
from vouch.client.results import (
    Abstention,
    Answer,
    Citation,
    Claim,
    Connector,
    Conversation,
    Document,
    FacetValue,
    Freshness,
    Hit,
    Issuer,
    Job,
    Key,
    MadeKey,
    Matched,
    Notice,
    ReadAs,
    Review,
    SearchResult,
    Source,
    Span,
    Step,
    TextPart,
    Token,
)
from vouch.client.similar import Conflict, Side, Similar, SimilarDocument
from vouch.client.traces import Trace
from vouch.client.webhooks import MadeWebhook, Webhook, WebhookDelivery

__all__ = [
    "Abstention",
    "AccessChange",
    "AgeOf",
    "Answer",
    "Approval",
    "AuditBreak",
    "AuditChain",
    "AuditEntry",
    "AuditHead",
    "AuditVerified",
    "Citation",
    "Claim",
    "Client",
    "Compared",
    "Comparisons",
    "Conflict",
    "Connector",
    "Conversation",
    "Delivery",
    "Document",
    "EvalRun",
    "EvalSet",
    "Explanation",
    "FacetValue",
    "Freshness",
    "Generation",
    "GenerationList",
    "Grant",
    "GroupStaleness",
    "Hit",
    "Issuer",
    "Job",
    "Key",
    "MadeKey",
    "MadeWebhook",
    "MailStanding",
    "Matched",
    "Moved",
    "Notice",
    "Notification",
    "OwnerReport",
    "QuarantinedDocument",
    "ReadAs",
    "ReadableDocument",
    "Reader",
    "Release",
    "Released",
    "Replay",
    "ReportSchedule",
    "ReportedDocument",
    "Review",
    "SearchResult",
    "Side",
    "Similar",
    "SimilarDocument",
    "Source",
    "Span",
    "StalenessReport",
    "Step",
    "TextPart",
    "Token",
    "Trace",
    "UsedDocument",
    "Waiting",
    "Webhook",
    "WebhookDelivery",
]
