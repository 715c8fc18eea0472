"""One call, from its claim to its end: signed anew for each try, through the one door, and whatever it answers bounded.

An address is judged when it is registered and again here: what may be called is decided by where it leads now.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.pace import retry_after
from ingestion.webhooks.queue import MAX_ATTEMPTS, Call, Outcome, claim, end, rest
from ingestion.webhooks.signing import signed
from ingestion.webhooks.targets import permitted, secrets_of
from vouch.catalog.database import Catalog
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import LeaseLost, Unavailable, VouchError
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.outbound.door import Answer, Bounds, Outbound

log = logging.getLogger(__name__)

BOUNDS = Bounds(max_bytes=64 << 10, seconds=10.0, redirects=0)
ENOUGH_S = 10.0
"""Seconds after which a webhook's turn begins no further call."""
AT_ONCE = 16
"""Webhooks that are called at the same time."""
LONGEST_WAIT_S = 86_400.0


def deliver_batch(catalog: Catalog, settings: Settings, due: Sequence[tuple[str, str]]) -> None:
    """A turn for each webhook of ``due``, tenant and id; none waits for another's receiver.

    Raises :class:`Unavailable` when the catalog is away.
    """
    door = Outbound.of(settings)
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(due) or 1)) as pool:
        turns = [pool.submit(take_turn, catalog, settings, door, key) for key in due]
    for turn in turns:
        turn.result()


def take_turn(catalog: Catalog, settings: Settings, door: Outbound, key: tuple[str, str]) -> int:
    """Calls that the webhook is owed, one after the other, until time is up or one fails. Returns how many."""
    enough, made = time.monotonic() + ENOUGH_S, 0
    while deliver_next(catalog, settings, door, key):
        made += 1
        if time.monotonic() > enough:
            break
    with catalog.transaction(key[0]) as session:
        rest(session, *key)
    return made


def deliver_next(catalog: Catalog, settings: Settings, door: Outbound, key: tuple[str, str]) -> bool:
    """Make one call, if one is owed now. Raises :class:`Unavailable` alone, when the catalog is away."""
    with catalog.transaction(key[0]) as session:
        call = claim(session, *key)
    if call is None:
        return False
    outcome = _outcome(settings, door, call)
    if outcome.reason is not None:
        log.info("delivery %s: %s %s", call.id, outcome.reason, outcome.status or "")
    try:
        with catalog.transaction(key[0]) as session:
            end(session, call, outcome)
    except LeaseLost:
        log.info("delivery %s passed to another worker, or its webhook is gone", call.id)
    return True


def body_of(call: Call) -> bytes:
    """The same bytes on every try."""
    told: Json = {"type": call.event, "timestamp": rfc3339(call.at), "data": call.data}
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def _outcome(settings: Settings, door: Outbound, call: Call) -> Outcome:
    if call.attempt > MAX_ATTEMPTS:
        return Outcome("worker_died", "Its worker died each time that it was tried.")
    began = time.monotonic()
    try:
        answer = _sent(settings, door, call)
    except VouchError as error:
        reason = "unreachable" if isinstance(error, Unavailable) else error.code
        return Outcome(reason, error.detail, took_s=time.monotonic() - began)
    except Exception as error:  # the boundary: whatever happens to one call, those of others go on
        # A library's message may quote what was sent: it goes to the log, not to people.
        log.warning("delivery %s failed", call.id, exc_info=error)
        return Outcome("failed", type(error).__name__, took_s=time.monotonic() - began)
    return _judged(answer, time.monotonic() - began)


def _sent(settings: Settings, door: Outbound, call: Call) -> Answer:
    url, body = permitted(call.webhook.url, door), body_of(call)
    headers = signed(secrets_of(settings, call.webhook), call.id, int(clock.now().timestamp()), body)
    return door.request(
        "POST", url, headers={"content-type": "application/json", **headers}, content=body, bounds=BOUNDS
    )


def _judged(answer: Answer, took_s: float) -> Outcome:
    """Any 2xx says that it was taken; nothing else does."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status=status, took_s=took_s)
    if status == 410:
        return Outcome("gone", "The receiver said that it is gone.", status, took_s, gone=True)
    wait_s = min(retry_after(answer) or 0.0, LONGEST_WAIT_S)
    said = "The receiver leads elsewhere, which is not followed." if 300 <= status < 400 else "The receiver refused it."
    return Outcome("refused", said, status, took_s, wait_s)
