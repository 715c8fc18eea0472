"""How far a job is: how many of its documents have come to an end, how fast, how long the rest will take, and what it
waits for."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import Job
from vouch.core import clock
from vouch.core.clock import rfc3339
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
MOST_WAITING = 20
"""Reasons that are told of a job that waits."""

_WAITING = sa.text(
    """
    SELECT name AS stage, problem ->> 'reason' AS reason, problem ->> 'detail' AS detail,
        count(DISTINCT nullif(document_id, '')) AS documents, max(attempts) AS attempts, min(not_before) AS next_at
    FROM stage WHERE tenant_id = :t AND job_id = :j AND state IN ('ready', 'leased') AND problem IS NOT NULL
    AND problem <> 'null'
    GROUP BY 1, 2, 3 ORDER BY name = 'scan' DESC, documents DESC, 1, 2, 3 LIMIT :most
    """
)


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


def waiting(session: Session, job: Job) -> list[Json]:
    """What was tried and is tried again, by stage and reason: as long as nothing is said of it, a source that does not
    answer looks like one that has much to say."""
    rows = session.execute(_WAITING, {"t": job.tenant_id, "j": job.id, "most": MOST_WAITING}).all()
    return [{**row._mapping, "next_at": rfc3339(row.next_at)} for row in rows]
