"""How far a job is: how many of its documents have come to an end, how fast, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from vouch.catalog.tables import Job
from vouch.core import clock
from vouch.core.types import Json

RECENT_S = 60
"""The rate is that of the last minute, so that an estimate follows what is going on now."""

COUNT = sa.text(
    """
    SELECT name, state, count(*) AS stages,
        count(*) FILTER (WHERE finished_at > now() - make_interval(secs => :recent)) AS finished,
        count(*) FILTER (WHERE created_at > now() - make_interval(secs => :recent)) AS begun
    FROM stage WHERE tenant_id = :t AND job_id = :j GROUP BY name, state
    """
)
"""The stages of a job, and what moved of late."""
OPEN = ("ready", "leased", "waiting")


def progress(job: Job, counted: Sequence[sa.Row[tuple[str, str, int, int, int]]]) -> Json:
    """Documents that have work in the job, those that are done, the rate, and the estimate, from :data:`COUNT`.

    ``seconds_left`` is None where it cannot be told: before the scan is through, for nobody knows how much is to come,
    and while nothing has come to an end for a minute.

    A document enters with its first stage and has one open at a time; when one ends, either the next begins in the
    same transaction or the document has come to an end. So nothing has to be counted by document.
    """
    entry = "parse" if job.kind == "push" else "fetch"
    of_documents = [row for row in counted if row.name != "scan"]
    documents = sum(row.stages for row in of_documents if row.name == entry)
    done = documents - sum(row.stages for row in of_documents if row.state in OPEN)
    ended = sum(row.finished for row in of_documents) - sum(row.begun for row in of_documents if row.name != entry)
    began = job.started_at or job.created_at or clock.now()
    over = job.finished_at is not None
    seconds = max(1.0, ((job.finished_at or clock.now()) - began).total_seconds())
    rate = done / seconds if over else max(0, ended) / min(RECENT_S, seconds)
    left: int | None = None
    if over:
        left = 0
    elif job.scanned and rate:
        left = round((documents - done) / rate)
    return {"documents": documents, "done": done, "per_second": round(rate, 2), "seconds_left": left}
