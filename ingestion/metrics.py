"""What `/metrics` says about mail, webhooks, evaluations and reviews, read from the catalog when it is asked for.

Workers deliver, and nobody asks them: what became of each delivery stands in its row, so any API process can tell, and
a restart forgets nothing. All tenants together; no label is made of anything a user wrote.
"""

from __future__ import annotations

import logging
import time
from threading import Lock
from typing import get_args

import sqlalchemy as sa
from prometheus_client import Gauge
from sqlmodel import Session

from ingestion.mail import deliveries as mail
from ingestion.webhooks import queue as webhooks
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core import clock
from vouch.core.errors import Unavailable

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""Least seconds between two readings: anybody may ask for metrics, as often as they like."""
STATES = {"mail": get_args(mail.State), "webhook": get_args(webhooks.State)}
WEBHOOK_STATES = ("active", "paused", "disabled")

DELIVERIES = Gauge(
    "vouch_deliveries", "Messages and calls that are kept, by what became of them.", ["channel", "state"]
)
OLDEST_WAITING_SECONDS = Gauge(
    "vouch_delivery_oldest_waiting_seconds", "Age of the oldest one that is owed still; 0: none is.", ["channel"]
)
WEBHOOKS = Gauge("vouch_webhooks", "Registered webhooks.", ["state"])
EVAL_RUNS = Gauge("vouch_eval_runs", "Runs of evaluation sets that are kept, by what became of them.", ["state"])
EVAL_SETS = Gauge(
    "vouch_eval_sets", "Evaluation sets, by what their last run is beside the one before or the baseline.", ["drift"]
)
APPROVALS_WAITING = Gauge("vouch_approvals_waiting", "Answers that wait for a person to approve them.")
OLDEST_APPROVAL_SECONDS = Gauge(
    "vouch_approval_oldest_waiting_seconds", "Age of the oldest answer that waits for a person; 0: none does."
)
RUN_STATES = ("queued", "running", "succeeded", "failed")
DRIFTS = ("worse", "better", "even", "unknown")

# A webhook that is paused is owed calls for as long as it is: that is no lateness of ours.
_DELIVERIES = sa.text(
    """
    SELECT 'mail' AS channel, state, count(*) AS n,
        min(created_at) FILTER (WHERE state IN ('waiting', 'sending')) AS oldest
    FROM report_delivery GROUP BY state
    UNION ALL
    SELECT 'webhook', d.state, count(*),
        min(d.at) FILTER (WHERE d.state IN ('waiting', 'sending') AND w.state = 'active')
    FROM webhook_delivery d JOIN webhook w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id GROUP BY d.state
    """
)
_WEBHOOKS = sa.text("SELECT state, count(*) AS n FROM webhook GROUP BY state")
_EVAL_RUNS = sa.text("SELECT state, count(*) AS n FROM eval_run GROUP BY state")
_EVAL_SETS = sa.text(
    """
    SELECT drift, count(*) AS n FROM (
        SELECT CASE
            WHEN r.drift @> '[{"verdict": "worse"}]' THEN 'worse'
            WHEN r.drift @> '[{"verdict": "better"}]' THEN 'better'
            WHEN r.drift @> '[{"verdict": "even"}]' THEN 'even' ELSE 'unknown' END AS drift
        FROM eval_set s LEFT JOIN LATERAL (
            SELECT drift FROM eval_run r WHERE r.tenant_id = s.tenant_id AND r.set_id = s.id AND r.state = 'succeeded'
            ORDER BY r.id DESC LIMIT 1) r ON true
    ) latest GROUP BY drift
    """
)


_APPROVALS = sa.text("SELECT count(*) AS n, min(created_at) AS oldest FROM answer WHERE status = 'awaiting_review'")


class Readings:
    """Keeps the gauges as old as :data:`EVERY_S` at most, and empty while the catalog is away."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = Lock()
        self._due = 0.0

    def refresh(self) -> None:
        """Before the gauges are shown. Who comes while another one reads is shown what is there."""
        if time.monotonic() < self._due or not self._lock.acquire(blocking=False):
            return
        try:
            with self._catalog.reading(ACROSS_TENANTS) as session:
                read(session)
        except Unavailable as error:  # no figure rather than an old one
            log.warning("nothing is known of deliveries: %s", error.detail)
            for gauge in (DELIVERIES, OLDEST_WAITING_SECONDS, WEBHOOKS, EVAL_RUNS, EVAL_SETS):
                gauge.clear()
            for figure in (APPROVALS_WAITING, OLDEST_APPROVAL_SECONDS):
                figure.set(float("nan"))
        finally:
            self._due = time.monotonic() + EVERY_S
            self._lock.release()


def read(session: Session) -> None:
    """Set the gauges to what the session's snapshot has; what there is none of is 0, so that an alert sees it."""
    rows, now = session.execute(_DELIVERIES).all(), clock.now()
    for channel, states in STATES.items():
        of = {row.state: row for row in rows if row.channel == channel}
        for state in states:
            DELIVERIES.labels(channel, state).set(of[state].n if state in of else 0)
        owed = [row.oldest for row in of.values() if row.oldest is not None]
        OLDEST_WAITING_SECONDS.labels(channel).set(max(0.0, (now - min(owed)).total_seconds()) if owed else 0)
    waiting = session.execute(_APPROVALS).one()
    APPROVALS_WAITING.set(waiting.n)
    OLDEST_APPROVAL_SECONDS.set(max(0.0, (now - waiting.oldest).total_seconds()) if waiting.n else 0)
    for gauge, statement, names in (
        (WEBHOOKS, _WEBHOOKS, WEBHOOK_STATES),
        (EVAL_RUNS, _EVAL_RUNS, RUN_STATES),
        (EVAL_SETS, _EVAL_SETS, DRIFTS),
    ):
        kept = {row[0]: row.n for row in session.execute(statement)}
        for name in names:
            gauge.labels(name).set(kept.get(name, 0))
