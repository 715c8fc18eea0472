"""Watch: a change in a folder that asks for it starts a sync at once, instead of when its schedule says.

One thread of the scheduler listens to the file system. What it hears is only that something changed: the sync that it
starts finds out what, so that nothing depends on hearing everything.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Event, Thread

from sqlmodel import Session, col, select
from watchfiles import watch

from ingestion.jobs import start_sync
from ingestion.sealed import connect
from ingestion.services import Services
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core.errors import Conflict, NotFound, Unavailable, VouchError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""Seconds between two looks at which sources want to be watched; also the pause after a fault."""
REST_S = 5.0
"""Least seconds between two syncs of a folder in which something changes all the time."""
_LISTEN_MS = 1000
_GATHER_MS = 500
"""A burst of changes is one."""
_Key = tuple[str, str]


class Watch(Thread):
    """Listens until ``over`` is set."""

    def __init__(self, services: Services, over: Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._services, self._over = services, over
        self._changed: set[_Key] = set()
        """Sources with a change that no sync has begun after."""
        self._begun_at: dict[_Key, float] = {}

    def run(self) -> None:
        known: dict[_Key, Path] = {}
        while not self._over.is_set():
            try:
                found = self._watched()
                self._changed |= found.keys() - known.keys()  # what happened before anyone listened
                known = found
                self._listen(known)
            except Unavailable as error:
                log.warning("folders are not watched for a while: %s", error.detail)
            except (OSError, RuntimeError) as error:  # too many folders for the system, or one that has gone
                log.warning("folders are not watched for a while, their schedules hold: %s", error)
            self._over.wait(0 if known else LOOK_EVERY_S)

    def _listen(self, known: dict[_Key, Path]) -> None:
        """Until it is time to look again which sources want it. Raises OSError."""
        here = {key: path for key, path in known.items() if path.is_dir()}
        turns = int(LOOK_EVERY_S * 1000 / _LISTEN_MS)
        if not here:
            self._begin()
            self._over.wait(LOOK_EVERY_S)
            return
        heard = watch(
            *here.values(),
            watch_filter=None,
            debounce=_GATHER_MS,
            rust_timeout=_LISTEN_MS,
            yield_on_timeout=True,
            stop_event=self._over,
            raise_interrupt=False,
        )
        for changes in heard:
            paths = [Path(path) for _, path in changes]
            self._changed |= {key for key, root in here.items() if any(path.is_relative_to(root) for path in paths)}
            self._begin()
            turns -= 1
            if turns <= 0:
                return

    def _watched(self) -> dict[_Key, Path]:
        with self._services.catalog.reading(ACROSS_TENANTS) as session:
            asking = session.exec(
                select(Source).where(col(Source.state) == "active", col(Source.config).contains({"watch": True}))
            ).all()
        found: dict[_Key, Path] = {}
        for source in asking:
            key = source.tenant_id, source.id
            try:
                path = getattr(connect(self._services.settings, key, source.kind, source.config), "watched", None)
            except VouchError as error:  # its sync says the same to whoever can mend it
                log.info("source %s cannot be watched: %s", source.id, error.detail)
                continue
            if isinstance(path, Path):
                found[key] = path
        return found

    def _begin(self) -> None:
        """Begin a sync of each source that changed. One under way may have read past the change: another follows."""
        for key in sorted(self._changed):
            if time.monotonic() - self._begun_at.get(key, -REST_S) < REST_S:
                continue
            with self._services.catalog.transaction(key[0]) as session:
                stages = _started(session, key)
            if stages is not None:
                self._changed.discard(key)
                self._begun_at[key] = time.monotonic()
                self._services.ring("scan", stages)


def _started(session: Session, key: _Key) -> list[str] | None:
    """The stages to ring for; None while it cannot be begun."""
    source = session.get(Source, key)
    if source is None or source.state != "active":
        return []
    try:
        _, stage = start_sync(session, source, "incremental")
    except (Conflict, NotFound):
        return None
    return None if stage is None else [stage]
