"""One way to do any stage: lease, count the attempt, work, record; then ring for what comes next.

ids ─▶ claim in turn (attempt counted) ─▶ stages ─▶ done + next stages' rows, one transaction ─▶ ring
                                    ├─ rejected, or third failure ─▶ quarantine, neighbours go on
                                    └─ failed ─▶ ready again after a pause (``ingestion/failing.py``)
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.exc import DBAPIError

from ingestion.convoy import STEP, carry
from ingestion.doorbell import BATCH, at_once, beside, unheard
from ingestion.failing import check_attempts, failed
from ingestion.jobs import settle
from ingestion.places import scan_place
from ingestion.services import Services
from ingestion.stages.embed import embed
from ingestion.stages.publish import publish
from ingestion.stages.scan import scan
from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease, StageName
from vouch.catalog.turns import claim_in_turn
from vouch.core.errors import VouchError

log = logging.getLogger(__name__)

Ends = Callable[[], bool]
"""Asked in the midst of a stage: whether to end it here, for its time is up or others shall come first."""
Together = Callable[[Services, Sequence[Lease], Ends], list[Lease] | None]
"""A stage of documents of one tenant, each there once: all or none. Returns what is next, ready for anyone; None where
it ended before it was done, and what it did so far is kept."""

TOGETHER: dict[str, Together] = {"embed": embed, "publish": publish}

STEPS = tuple(name for name in ledger.STAGES if name != "scan")
AT_A_TIME = 16
"""Documents that go from fetch to chunk together, if that takes no longer than a moment (``convoy.SLICE_S``); after
them it is seen who else waits."""
CHUNKS = 512
"""Of documents that are embedded together, unless one has more."""
ENOUGH_S = 75.0
"""After this, what is left of a message is put back. One more document takes at most 160 s, and Celery ends the
message, with the attempts of all that is left of it, after 240 (``ingestion/doorbell.py``)."""


def run_stages(services: Services, stage_ids: Sequence[str]) -> None:
    """Do those of ``stage_ids`` that can be done now. What others hold, or is done already, is left alone."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        leases = ledger.claim(session, stage_ids, services.settings.lease_s)
    _run(services, leases, time.monotonic() + ENOUGH_S)


def take_turn(services: Services, name: str, stage_ids: Sequence[str]) -> bool:
    """Do as many stages as there are ``stage_ids``, of those that wait in the same queue as ``name``: from the sources
    in turn, for otherwise a small one would wait behind all that a large one has rung for. What is done together is
    taken as a whole batch, whoever rang for how many.

    Whoever has few documents waiting goes first, before the message and in the midst of it. A single stage that was
    tried before is done for itself, so that it can take no neighbour down with it. False when there was nothing to do.
    """
    enough, lease_s = time.monotonic() + ENOUGH_S, services.settings.lease_s
    leases = list[Lease]()
    if len(stage_ids) == 1:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = ledger.claim(session, stage_ids, lease_s, tried=True)
    if not leases:
        if name != "scan" and not _finish_small(services, enough):
            services.ring(name, list(stage_ids))
            return True
        count = at_once(name) if name in TOGETHER else len(stage_ids)
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = claim_in_turn(session, beside(name), count, lease_s)
    _run(services, leases, enough, yields=True)
    return bool(leases)


def _finish_small(services: Services, enough: float) -> bool:
    """Do what sources with few documents waiting have to do, up to the end. Others wait for one batch of each step at
    most, so that many small sources do not keep a large one waiting for good. False when that took all the time."""
    for _ in STEPS:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = claim_in_turn(session, STEPS, BATCH, services.settings.lease_s, few_alone=True)
        if not leases:
            return True
        _run(services, leases, enough)
        if time.monotonic() > enough:
            return False
    return True


def scan_turn(services: Services, stage_ids: Sequence[str]) -> None:
    """The same for scans, of which only so many run at a time. One that finds no place is rung for again by who had
    it, and by the scheduler."""
    settings = services.settings
    with scan_place(settings.data_dir / "scans", settings.scan_places) as free:
        did = free and take_turn(services, "scan", stage_ids[:1])
    if did:
        services.ring("scan", list(stage_ids))


def _run(services: Services, leases: list[Lease], enough: float, *, yields: bool = False) -> None:
    """Do ``leases``, at least one of them; what is left when time is up, or with ``yields`` when others shall come
    first, is put back and rung for."""
    if not leases:
        return
    ready: dict[StageName, list[str]] = defaultdict(list)
    left = list[Lease]()
    ends = partial(_ends, services, enough, yields=yields)
    with ledger.held(services.catalog, leases, services.settings.lease_s):
        batches, begun = _batches(leases), False
        while batches:
            if begun and ends():
                left = [lease for batch in batches for lease in batch]
                break
            batch, begun = batches.pop(0), True
            if batch[0].name in STEP:
                following, unbegun = carry(services, batch, leases)
            else:
                following, unbegun = _done(services, batch, ends)
            batches[:0] = _batches(unbegun)
            for lease in following:
                ready[lease.name].append(lease.id)
    if left:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            left = ledger.put_back(session, left)
    for lease in left:
        ready[lease.name].append(lease.id)
    for name, ids in ready.items():
        services.ring(name, ids)
    if any(lease.name == "publish" for lease in leases):
        services.ring_projector()
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        settle(session, sorted({lease.job_id for lease in leases}))


def _ends(services: Services, enough: float, *, yields: bool) -> bool:
    """Whether a message ends before it goes on. One that yields lets small sources by now and then, and ends for a scan
    that no process has taken yet: how much its source has to do is not known before."""
    if time.monotonic() > enough:
        return True
    return yields and (not _finish_small(services, enough) or unheard(services.redis, "scan"))


def _batches(leases: Sequence[Lease]) -> list[list[Lease]]:
    """What is done in one go: of one tenant and stage, each document once, and no more than others may wait for. What
    was tried before goes alone."""
    alike: dict[tuple[str, StageName], list[Lease]] = defaultdict(list)
    for lease in leases:
        alike[lease.tenant, lease.name].append(lease)
    batches = list[list[Lease]]()
    for some in alike.values():
        rest = some
        while rest:
            batches.append(_first(rest))
            taken = {lease.id for lease in batches[-1]}
            rest = [lease for lease in rest if lease.id not in taken]
    return batches


def _first(leases: Sequence[Lease]) -> list[Lease]:
    """Those of ``leases``, which are alike, that go together first."""
    batch, documents, chunks = list[Lease](), set[str](), 0
    for lease in leases:
        chunks += int(lease.result.get("chunks", 0)) if lease.name == "embed" else 0
        full = len(batch) >= (AT_A_TIME if lease.name in STEP else BATCH) or chunks > CHUNKS
        if batch and (full or lease.attempt > 1):
            break
        if lease.document_id not in documents:
            batch.append(lease)
            documents.add(lease.document_id)
        if lease.attempt > 1 or lease.name == "scan":
            break
    return batch


def _done(services: Services, batch: Sequence[Lease], ends: Ends) -> tuple[list[Lease], list[Lease]]:
    """Do what is no part of a convoy: together what can be, and where that fails, each by itself, for one that fails
    harms nobody else. Returns what is next, ready for anyone, and what is to be put back."""
    if len(batch) == 1:
        return _alone(services, batch[0], ends)
    try:
        following = TOGETHER[batch[0].name](services, batch, ends)
        return ([], list(batch)) if following is None else (following, [])
    except (VouchError, RuntimeError, ValueError, DBAPIError) as error:
        log.warning("stage %s of %d documents was not done together", batch[0].name, len(batch), exc_info=error)
    ready, left = list[Lease](), list[Lease]()
    for number, lease in enumerate(batch):
        if left or (number and ends()):
            left.append(lease)
            continue
        following, unbegun = _alone(services, lease, ends)
        ready += following
        left += unbegun
    return ready, left


def _alone(services: Services, lease: Lease, ends: Ends) -> tuple[list[Lease], list[Lease]]:
    try:
        check_attempts(lease)
        if lease.name == "scan":
            scan(services, lease)
            return [], []
        following = TOGETHER[lease.name](services, [lease], ends)
        return ([], [lease]) if following is None else (following, [])
    except Exception as error:  # noqa: BLE001 - the boundary: what a stage meets ends in the ledger
        failed(services, lease, error)
        return [], []
