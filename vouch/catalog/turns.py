"""Whose turn it is: waiting work is claimed from the tenants in turn, and within a tenant from its sources in turn.

First come first served would have a source of ten documents wait behind another's hundred thousand. So a message does
not say which stages to do, but how many: they are chosen among all that wait. A source of higher priority gets more of
its tenant's turns, never all of them. Sources that have few waiting are soon done and hold up the others by little:
they can be asked for alone. What a claim costs goes by the number of sources that wait, not by what they have waiting:
the index ``stage_waiting`` is skipped through from source to source.

Stages that were tried before are not in it. They are claimed by their id, and alone: one may be what killed its worker.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.ledger import Lease, claim

SOURCES = 64
"""Sources that one claim looks at, drawn by lot where more are waiting."""
FEW = 32
"""Stages up to which a source that waits has few."""
TRIES = 3
"""Times that a claim looks again when others took meanwhile what it had chosen."""

# `turn` is when a source's next stage would come up if each came at its own pace: twice as often for twice the weight.
# What is left to chance lets a claim of few stages be fair too, though no claim knows of those before it.
_CHOOSE = sa.text(
    """
    WITH RECURSIVE waiting(name, tenant_id, source_id) AS (
        SELECT first.* FROM unnest(CAST(:names AS text[])) AS wanted CROSS JOIN LATERAL (
            SELECT name, tenant_id, source_id FROM stage
            WHERE name = wanted AND state = 'ready' AND attempts = 0
            ORDER BY tenant_id, source_id LIMIT 1) first
        UNION ALL
        SELECT next.* FROM waiting w CROSS JOIN LATERAL (
            SELECT name, tenant_id, source_id FROM stage
            WHERE name = w.name AND (tenant_id, source_id) > (w.tenant_id, w.source_id)
            AND state = 'ready' AND attempts = 0
            ORDER BY tenant_id, source_id LIMIT 1) next
    ), drawn AS (
        SELECT w.*, CASE s.priority WHEN 'high' THEN 4.0 WHEN 'low' THEN 1.0 ELSE 2.0 END AS weight
        FROM waiting w JOIN source s ON s.tenant_id = w.tenant_id AND s.id = w.source_id
        ORDER BY row_number() OVER (PARTITION BY w.tenant_id ORDER BY random()), random() LIMIT :sources
    ), next_up AS (
        SELECT d.tenant_id, d.source_id, d.weight, x.id,
            count(*) OVER (PARTITION BY d.tenant_id, d.source_id) <= :few AS few
        FROM drawn d CROSS JOIN LATERAL (
            SELECT id FROM stage
            WHERE name = d.name AND tenant_id = d.tenant_id AND source_id = d.source_id
            AND state = 'ready' AND attempts = 0 AND not_before <= now()
            ORDER BY id LIMIT greatest(:count, :few + 1)) x
    ), turns AS (
        SELECT tenant_id, id,
            (row_number() OVER (PARTITION BY tenant_id, source_id ORDER BY id) - random()) / weight AS turn
        FROM next_up WHERE few OR NOT :few_alone
    )
    SELECT id FROM turns
    ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY turn) - random() LIMIT :count
    """
)


def claim_in_turn(
    session: Session, names: Sequence[str], count: int, lease_s: int, *, few_alone: bool = False
) -> list[Lease]:
    """Lease up to ``count`` stages called one of ``names`` that are ready, due and untried, from all who wait; with
    ``few_alone``, from those sources that have up to :data:`FEW` of them."""
    leases: list[Lease] = []
    for _ in range(TRIES):
        wanted = count - len(leases)
        values = {"names": list(names), "count": wanted, "sources": SOURCES}
        values |= {"few": FEW, "few_alone": few_alone}
        chosen = list(session.execute(_CHOOSE, values).scalars())
        got = claim(session, chosen, lease_s) if chosen else []
        leases += got
        if len(got) == len(chosen):
            break
    return sorted(leases, key=lambda lease: lease.id)
