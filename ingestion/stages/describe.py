"""What a source says of a document besides its content and its access, written to the document's row."""

from __future__ import annotations

from vouch.catalog.tables import Document, Source
from vouch.core.clock import duration
from vouch.core.ids import new_id
from vouch.core.types import AccessUnknown, Json, Upsert


def new_document(source: Source, upsert: Upsert) -> Document:
    return Document(
        tenant_id=source.tenant_id,
        id=new_id(),
        source_id=source.id,
        external_id=upsert.external_id,
        title=upsert.title,
        uri=upsert.uri,
    )


def describe(document: Document, upsert: Upsert, source: Source) -> bool:
    """Bring the document's own facts up to date. True when one that the index holds differs.

    Where the rules cannot be read, what they say besides access stays as it was.
    """
    wanted: Json = {
        "modified_at": upsert.modified_at,
        "title": upsert.title or document.title,
        "uri": upsert.uri,
        "acl_read_at": None,
    }
    if not isinstance(upsert.acl, AccessUnknown):
        ages = ("review_every", "stale_after", "expire_after")
        wanted |= {f"{name}_s": _seconds(getattr(upsert, name)) for name in ages}
        wanted |= {"owner": upsert.owner or source.owner, "supersedes": list(upsert.supersedes)}
    if document.state == "deleted":
        wanted["state"] = "pending"
    return bool({"owner", "modified_at"} & put(document, wanted))


def _seconds(text: str | None) -> int | None:
    return int(duration(text).total_seconds()) if text else None


def put(document: Document, wanted: Json) -> set[str]:
    """Set what differs, and say what that was: most documents of a scan are as they were, and cost nothing."""
    changed = {name for name, value in wanted.items() if getattr(document, name) != value}
    for name in changed:
        setattr(document, name, wanted[name])
    return changed
