"""`python -m ingestion.worker`: the Celery worker. Its children open their own connections after the fork."""

from __future__ import annotations

from vouch.core import startup

if __name__ == "__main__":
    startup.loading()

import logging
from functools import cache

from celery.signals import worker_ready

from ingestion.doorbell import QUEUES, make_celery
from ingestion.services import Services
from ingestion.tasks import register
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.heartbeat import beat
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, redis_broker_url
from vouch.serving.logs import configure_logging


@cache
def _services() -> Services:
    return Services.open(Settings())


def main() -> None:
    """Run until SIGTERM; work in hand goes back to the ledger."""
    startup.loaded()
    settings = Settings()
    configure_logging(settings)
    bell = make_celery(redis_broker_url(settings))
    register(bell, _services, scan_limit_s=settings.scan_limit_s)

    @worker_ready.connect(weak=False)
    def first_beat(**_: object) -> None:
        catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
        with catalog.transaction(ACROSS_TENANTS) as session:
            beat(session, "worker")
        catalog.close()  # the children fork from this process: they must not share a connection

    bell.worker_main(
        [
            "worker",
            f"--queues={','.join(QUEUES)}",
            f"--concurrency={settings.worker_processes}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    logging.captureWarnings(capture=True)
    main()
