"""Celery tasks: shells. Ids in, one call; the ledger decides what is really done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from celery import Celery

from ingestion.doorbell import projector_looks, ring_build, ring_compare
from ingestion.generations.build import build_waiting
from ingestion.generations.empty import empty_removed
from ingestion.mail.deliver import deliver_batch
from ingestion.services import Services
from ingestion.twins.work import compare_waiting
from ingestion.webhooks.deliver import deliver_batch as call_batch
from ingestion.work import scan_turn, take_turn
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.heartbeat import beat
from vouch.catalog.ledger import STAGES
from vouch.core.errors import Unavailable

log = logging.getLogger(__name__)

MAINTAIN_S = 3600
"""Compaction rewrites a copy of the whole index; questions and writes go on meanwhile."""


def register(bell: Celery, services: Callable[[], Services], *, scan_limit_s: int) -> None:
    """Give ``bell`` its tasks. ``services`` is called in the worker's child, never before the fork."""
    task = partial(bell.task, shared=False)  # of this app alone: another in the same process has services of its own

    for stage in (name for name in STAGES if name != "scan"):
        task(name=f"ingestion.{stage}")(_doing(services, stage))

    @task(name="ingestion.scan", time_limit=scan_limit_s + 60, soft_time_limit=scan_limit_s)
    def scan(ids: list[str]) -> None:
        _patiently(partial(scan_turn, services(), ids))

    @task(name="ingestion.project")
    def project() -> None:
        _patiently(partial(_project, services()))

    @task(name="ingestion.maintain", time_limit=MAINTAIN_S, soft_time_limit=MAINTAIN_S - 60)
    def maintain() -> None:
        _patiently(services().projector.maintain)

    @task(name="ingestion.mail")
    def mail(due: list[tuple[str, str]]) -> None:
        _patiently(partial(_mail, services(), due))

    @task(name="ingestion.compare")
    def compare() -> None:
        _patiently(partial(_compare, services()))

    @task(name="ingestion.build", time_limit=MAINTAIN_S, soft_time_limit=MAINTAIN_S - 60)
    def build() -> None:
        _patiently(partial(_build, services()))

    @task(name="ingestion.webhooks")
    def webhooks(due: list[tuple[str, str]]) -> None:
        _patiently(partial(_call, services(), due))

    @task(name="ingestion.canary")
    def canary() -> None:
        with services().catalog.transaction(ACROSS_TENANTS) as session:
            beat(session, "worker")


def _doing(services: Callable[[], Services], stage: str) -> Callable[[list[str]], None]:
    def run(ids: list[str]) -> None:
        _patiently(partial(take_turn, services(), stage, ids))

    return run


def _project(services: Services) -> None:
    projector_looks(services.redis)
    woken = services.projector.catch_up()
    services.ring("publish", woken)


def _mail(services: Services, due: list[tuple[str, str]]) -> None:
    if services.desk is not None:
        deliver_batch(services.catalog, services.desk, due)


def _compare(services: Services) -> None:
    if compare_waiting(services):
        ring_compare(services.bell)


def _build(services: Services) -> None:
    empty_removed(services)
    if build_waiting(services):
        ring_build(services.bell)


def _call(services: Services, due: list[tuple[str, str]]) -> None:
    call_batch(services.catalog, services.settings, [(tenant, webhook) for tenant, webhook in due])


def _patiently(work: Callable[[], object]) -> None:
    """A part that is down is no failure of the task: the ledger still has the work and the scheduler rings again."""
    try:
        work()
    except Unavailable as error:
        log.warning("put off, the scheduler will ring again: %s", error.detail)
