"""Which documents are due, stale, expired or from a source that is gone, and were not when a webhook was last told.

What was told is kept with each webhook, so nothing is missed however long nobody looked, and a state is told once. The
first time a webhook is told all that stands so already.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from ingestion.reports.judged import judged
from ingestion.webhooks.events import LISTED, owe
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Webhook
from vouch.core import clock
from vouch.core.types import Json

STATES = ("due", "stale", "expired", "source_gone")
LOOK_EVERY_S = 3600
STALE = "documents.stale"
_WANTED = "CAST(:sources AS text[])"

_JUDGED = judged(
    "d.tenant_id = :tenant AND d.state = 'live' AND s.state <> 'deleting'",
    f"(cardinality({_WANTED}) = 0 OR d.source_id = ANY({_WANTED}))",
)
_PASSED = sa.text(
    f"""
    {_JUDGED}, passed AS (SELECT id, source_id, owner, state FROM judged WHERE state = ANY(:states)
    ), over AS (
        DELETE FROM webhook_told t WHERE t.tenant_id = :tenant AND t.webhook_id = :webhook
        AND NOT EXISTS (SELECT 1 FROM passed p WHERE p.id = t.document_id)
    ), told AS (
        INSERT INTO webhook_told AS t (tenant_id, webhook_id, document_id, state)
        SELECT :tenant, :webhook, id, state FROM passed
        ON CONFLICT (tenant_id, webhook_id, document_id) DO UPDATE SET state = excluded.state
        WHERE t.state <> excluded.state RETURNING document_id)
    SELECT p.id, p.source_id, p.owner, p.state, s.name AS source_name FROM told
    JOIN passed p ON p.id = told.document_id
    JOIN source s ON s.tenant_id = :tenant AND s.id = p.source_id
    ORDER BY p.source_id, p.owner NULLS LAST, p.id
    """  # noqa: S608 - constants, no input
)


def wanting(session: Session) -> list[tuple[str, str]]:
    """Tenant and id of every webhook that is to be told, of every tenant that the session sees."""
    rows = session.execute(
        sa.select(col(Webhook.tenant_id), col(Webhook.id)).where(
            col(Webhook.state) != "disabled", sa.literal(STALE) == sa.any_(col(Webhook.events))
        )
    )
    return sorted((tenant, webhook) for tenant, webhook in rows)


def tell_ages(catalog: Catalog, tenant: str, webhook_id: str) -> int:
    """Owe the webhook what it has not been told: one call for each source. Returns how many."""
    with catalog.transaction(tenant) as session:
        # Locked: no second look at the same time, and it is not deleted meanwhile.
        row = session.exec(
            select(Webhook)
            .where(col(Webhook.tenant_id) == tenant, col(Webhook.id) == webhook_id)
            .with_for_update(key_share=True)
        ).first()
        if row is None or row.state == "disabled" or STALE not in row.events:
            return 0
        now = clock.now()
        values = {"tenant": tenant, "webhook": webhook_id, "sources": row.source_ids, "states": list(STATES)}
        found = session.execute(_PASSED, {**values, "now": now, "since": now}).all()
        by_source: dict[str, list[Any]] = defaultdict(list)
        for one in found:
            by_source[one.source_id].append(one)
        for source_id, rows in by_source.items():
            owe(session, (tenant, webhook_id), STALE, _event(rows), source_id)
        return len(by_source)


def _event(rows: Sequence[Any]) -> Json:
    """The documents of one source, by owner."""
    owners: dict[str | None, list[Any]] = defaultdict(list)
    for row in rows:
        owners[row.owner].append(row)
    named = {row.id for row in rows[:LISTED]}
    return {
        "source": {"id": rows[0].source_id, "name": rows[0].source_name},
        "documents": len(rows),
        "states": _states(rows),
        "owners": [
            {
                "owner": owner, "documents": len(theirs), "states": _states(theirs),
                "document_ids": {s: [one.id for one in theirs if one.state == s and one.id in named] for s in STATES},
            }
            for owner, theirs in list(owners.items())[:LISTED]
        ],
    }  # fmt: skip


def _states(rows: Sequence[Any]) -> dict[str, int]:
    count = Counter(row.state for row in rows)
    return {state: count[state] for state in STATES}
