"""What is told, written in the very transaction of what it tells: none is lost by a crash, none tells what was undone.

Ids, states, counts, reasons and moments; of a source also the name. Never a title, a file's name, an external id or a
word of content: a receiver is no reader, and what is derived from documents is for who may read all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import Webhook, WebhookDelivery
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.ids import new_id
from vouch.core.types import Json

LISTED = 100
"""Documents that one event names; its counts are of all."""
GATHER_S = 5
"""How long quarantined documents wait for others of their source: a flood of pushes is a few calls."""
QUARANTINED = "document.quarantined"
_REASON = re.compile(r"[a-z][a-z0-9_]{0,59}")

# Locked, so that none is deleted before what is written for it is committed. A push is told of by its caller's answer.
_WANTED = sa.text(
    """
    SELECT w.tenant_id, w.id, w.events, j.id AS job_id FROM webhook w JOIN job j ON j.tenant_id = w.tenant_id
    WHERE j.id = ANY(:jobs) AND w.state <> 'disabled' AND w.events && ARRAY['job.ended', 'document.quarantined']
    AND (cardinality(w.source_ids) = 0 OR j.source_id = ANY(w.source_ids))
    ORDER BY w.tenant_id, w.id, j.id FOR KEY SHARE OF w
    """
)
_ENDED = sa.text(
    """
    SELECT j.kind, j.state, j.counts, j.source_id, s.name AS source_name, j.created_at, j.started_at, j.finished_at,
        (SELECT count(*) FROM stage p WHERE p.tenant_id = j.tenant_id AND p.job_id = j.id
         AND p.name = 'publish' AND p.state = 'done') AS published
    FROM job j JOIN source s ON s.tenant_id = j.tenant_id AND s.id = j.source_id
    WHERE j.tenant_id = :tenant AND j.id = :job
    """
)
_FAILED = sa.text(
    """
    SELECT f.document_id, f.name AS stage, coalesce(f.problem ->> 'reason', 'failed') AS reason, d.state
    FROM stage f LEFT JOIN document d ON d.tenant_id = f.tenant_id AND d.id = f.document_id
    WHERE f.tenant_id = :tenant AND f.job_id = :job AND f.state = 'failed' ORDER BY f.document_id
    """
)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job that ended, as its events tell it. ``quarantined`` None: no document."""

    source: Json
    kind: str
    job: Json
    quarantined: Json | None


def jobs_ended(session: Session, job_ids: Sequence[str]) -> None:
    """Tell that they ended, and which of their documents are quarantined; in the transaction that ends them."""
    told: dict[str, _Ended] = {}
    for row in session.execute(_WANTED, {"jobs": list(job_ids)}).all() if job_ids else ():
        ended = told.get(row.job_id)
        if ended is None:
            ended = told[row.job_id] = _ended(session, row.tenant_id, row.job_id)
        if "job.ended" in row.events and ended.kind != "push":
            owe(session, (row.tenant_id, row.id), "job.ended", ended.job, ended.source["id"])
        if QUARANTINED in row.events and ended.quarantined is not None:
            owe(session, (row.tenant_id, row.id), QUARANTINED, ended.quarantined, ended.source["id"], GATHER_S)


def owe(
    session: Session, key: tuple[str, str], event: str, data: Json, source_id: str | None = None, wait_s: int = 0
) -> WebhookDelivery:
    """A call to the webhook ``key`` (tenant and id), not before ``wait_s`` seconds from now."""
    now = clock.now()
    row = WebhookDelivery(
        tenant_id=key[0], id=new_id(), webhook_id=key[1], event=event, source_id=source_id, at=now, data=data,
        not_before=now + timedelta(seconds=wait_s),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def owe_test(session: Session, webhook: Webhook) -> WebhookDelivery:
    """A call that tells nothing, at once whatever failed before. The webhook's row is locked by the caller."""
    webhook.try_after = None
    session.add(webhook)
    return owe(session, (webhook.tenant_id, webhook.id), "webhook.test", {"webhook_id": webhook.id})


def gathered(first: Json, other: Json) -> Json:
    """Two events of quarantined documents of one source as one."""
    return {
        "source": first["source"],
        "documents": first["documents"] + other["documents"],
        "reasons": dict(sorted((Counter(first["reasons"]) + Counter(other["reasons"])).items())),
        "quarantined": [*first["quarantined"], *other["quarantined"]][:LISTED],
    }


def _ended(session: Session, tenant: str, job_id: str) -> _Ended:
    job = session.execute(_ENDED, {"tenant": tenant, "job": job_id}).one()
    failed = session.execute(_FAILED, {"tenant": tenant, "job": job_id}).all()
    documents = [row for row in failed if row.stage != "scan" and row.state not in (None, "deleted")]
    source = {"id": job.source_id, "name": job.source_name}
    counts = {name: n for name, n in sorted(job.counts.items()) if type(n) is int}
    counts["quarantined"] = counts.get("quarantined", 0) + sum(row.stage != "scan" for row in failed)
    told = {
        "job_id": job_id, "kind": job.kind, "state": job.state, "source": source,
        "counts": {**counts, "published": job.published}, "reasons": _reasons(failed),
        "created_at": rfc3339(job.created_at), "started_at": rfc3339(job.started_at),
        "finished_at": rfc3339(job.finished_at),
    }  # fmt: skip
    return _Ended(source, job.kind, told, _quarantined(source, job_id, documents))


def _quarantined(source: Json, job_id: str, documents: Sequence[Any]) -> Json | None:
    if not documents:
        return None
    listed = [
        {
            "document_id": row.document_id, "job_id": job_id, "state": row.state, "stage": row.stage,
            "reason": _word(row.reason),
        }
        for row in documents[:LISTED]
    ]  # fmt: skip
    return {
        "source": source, "documents": len(documents), "reasons": _reasons(documents), "quarantined": listed,
    }  # fmt: skip


def _reasons(rows: Sequence[Any]) -> dict[str, int]:
    return dict(sorted(Counter(_word(row.reason) for row in rows).items()))


def _word(reason: str) -> str:
    """A connector from elsewhere may say more than a word there."""
    return reason if _REASON.fullmatch(reason) else "other"
