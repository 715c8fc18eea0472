"""Every table. Each row belongs to a tenant, and every key and foreign key carries it."""

from sqlmodel import SQLModel

from vouch.catalog.tables.answers import Answer, Citation, Conversation, Feedback, Trace
from vouch.catalog.tables.directory import ApiKey, AuthzEvent, Group, Membership, Tenant, User
from vouch.catalog.tables.documents import AclRow, Chunk, ClauseRow, Document, DocumentVersion, Embedding, Source
from vouch.catalog.tables.ledger import Heartbeat, IndexGeneration, IndexOpRow, Job, Stage

metadata = SQLModel.metadata

__all__ = [
    "AclRow",
    "Answer",
    "ApiKey",
    "AuthzEvent",
    "Chunk",
    "Citation",
    "ClauseRow",
    "Conversation",
    "Document",
    "DocumentVersion",
    "Embedding",
    "Feedback",
    "Group",
    "Heartbeat",
    "IndexGeneration",
    "IndexOpRow",
    "Job",
    "Membership",
    "Source",
    "Stage",
    "Tenant",
    "Trace",
    "User",
    "metadata",
]
