"""Jobs: how far a sync is, cancelling, retrying."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from vouch.client.http import Connection, segment
from vouch.client.results import Job
from vouch.core.errors import Unavailable

PATIENCE_S = 30.0
"""Seconds for which a watched job's platform may be away, as while its HTTP server is started again."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """`/v1/jobs`."""

    connection: Connection

    def list(self, source_id: str | None = None) -> Iterator[Job]:
        """Jobs, newest first; those of one source (its id) where given."""
        return self.connection.pages("/v1/jobs", "jobs", Job, {"source_id": source_id})

    def get(self, job_id: str) -> Job:
        return self.connection.get(_path(job_id), Job)

    def events(self, job_id: str) -> Iterator[Job]:
        """The job whenever it moved; the last one has ended.

        Reading it changes nothing, so a connection that is lost is made again.
        Raises :class:`Unavailable` after half a minute without the platform.
        """
        heard = time.monotonic()
        while True:
            try:
                with self.connection.events("GET", f"{_path(job_id)}/events") as events:
                    for event in events:
                        heard = time.monotonic()
                        job = Job.model_validate_json(event.data)
                        yield job
                        if job.ended:
                            return
            except Unavailable:
                if time.monotonic() - heard > PATIENCE_S:
                    raise
            time.sleep(0.5)

    def cancel(self, job_id: str) -> Job:
        """End a job; what was published stays."""
        return Job.model_validate(self.connection.send("POST", f"{_path(job_id)}/cancel"))

    def retry(self, job_id: str) -> str:
        """Try again what failed or was cancelled. Returns the job's id."""
        return str(self.connection.send("POST", f"{_path(job_id)}/retry")["job_id"])


def _path(job_id: str) -> str:
    return f"/v1/jobs/{segment(job_id)}"
