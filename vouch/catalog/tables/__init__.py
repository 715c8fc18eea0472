"""Every table. Each row belongs to a tenant, and every key and foreign key carries it."""

from sqlmodel import SQLModel

from vouch.catalog.tables.answers import Answer, AnswerReuse, Approval, Citation, Conversation, Feedback, Trace
from vouch.catalog.tables.audit import AuditEntry, AuditHead, BreakGlass, Notification
from vouch.catalog.tables.directory import (
    ApiKey,
    AuthzEvent,
    Group,
    Membership,
    MembershipChange,
    Tenant,
    User,
    UserChange,
)
from vouch.catalog.tables.documents import (
    AclRow,
    Chunk,
    ClauseRow,
    Document,
    DocumentChange,
    DocumentVersion,
    Embedding,
    Review,
    Source,
)
from vouch.catalog.tables.evals import EvalRun, EvalSet
from vouch.catalog.tables.identity import Issuer, ScimResource
from vouch.catalog.tables.ledger import Heartbeat, IndexGeneration, IndexOpRow, Job, ScanPoint, Stage
from vouch.catalog.tables.links import DocumentLink
from vouch.catalog.tables.mail import GroupManager, MailAddress, ReportDelivery, ReportSchedule, ReportSubscription
from vouch.catalog.tables.releases import ProfileRelease, ShadowRun
from vouch.catalog.tables.spending import Budget, BudgetSpend, ModelCall
from vouch.catalog.tables.twins import Signature, SignatureBand, Twin, TwinConflict
from vouch.catalog.tables.webhooks import Webhook, WebhookDelivery, WebhookTold

metadata = SQLModel.metadata

__all__ = [
    "AclRow",
    "Answer",
    "AnswerReuse",
    "ApiKey",
    "Approval",
    "AuditEntry",
    "AuditHead",
    "AuthzEvent",
    "BreakGlass",
    "Budget",
    "BudgetSpend",
    "Chunk",
    "Citation",
    "ClauseRow",
    "Conversation",
    "Document",
    "DocumentChange",
    "DocumentLink",
    "DocumentVersion",
    "Embedding",
    "EvalRun",
    "EvalSet",
    "Feedback",
    "Group",
    "GroupManager",
    "Heartbeat",
    "IndexGeneration",
    "IndexOpRow",
    "Issuer",
    "Job",
    "MailAddress",
    "Membership",
    "MembershipChange",
    "ModelCall",
    "Notification",
    "ProfileRelease",
    "ReportDelivery",
    "ReportSchedule",
    "ReportSubscription",
    "Review",
    "ScanPoint",
    "ScimResource",
    "ShadowRun",
    "Signature",
    "SignatureBand",
    "Source",
    "Stage",
    "Tenant",
    "Trace",
    "Twin",
    "TwinConflict",
    "User",
    "UserChange",
    "Webhook",
    "WebhookDelivery",
    "WebhookTold",
    "metadata",
]
