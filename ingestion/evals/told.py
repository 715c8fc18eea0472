"""Drift as an event: each run that ended is looked at once, and who wants to know is told of what differs for certain.

Ids, figures and a verdict; of the questions, the documents and the user nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col, select

from ingestion.webhooks.events import owe
from vouch.catalog.tables import EvalRun, Webhook
from vouch.core.clock import rfc3339

DRIFT = "eval.drift"
CERTAIN = ("better", "worse")
_AT_ONCE = 100


def tell_drift(session: Session) -> int:
    """Of every tenant that the session sees. Returns how many calls are owed now."""
    ended = select(EvalRun).where(col(EvalRun.state).in_(("succeeded", "failed")), sa.not_(col(EvalRun.told)))
    owed = 0
    for run in session.exec(ended.order_by(col(EvalRun.id)).limit(_AT_ONCE).with_for_update(skip_locked=True)).all():
        run.told = True
        session.add(run)
        certain = [one for one in run.drift if one["verdict"] in CERTAIN]
        if certain:
            owed += _owe(session, run, certain)
    return owed


def _owe(session: Session, run: EvalRun, certain: list[dict[str, object]]) -> int:
    wanting = session.execute(
        sa.select(col(Webhook.id))
        .where(
            col(Webhook.tenant_id) == run.tenant_id,
            col(Webhook.state) != "disabled",
            sa.literal(DRIFT) == sa.any_(col(Webhook.events)),
        )
        .order_by(col(Webhook.id))
        .with_for_update(key_share=True, read=True)
    )
    told = {
        "set_id": run.set_id, "run_id": run.id, "generation": run.generation, "missing": run.missing, "drift": certain,
        "finished_at": rfc3339(run.finished_at),
    }  # fmt: skip
    ids = list(wanting.scalars())
    for webhook_id in ids:
        owe(session, (run.tenant_id, webhook_id), DRIFT, told)
    return len(ids)
