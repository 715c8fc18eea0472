"""Open streams, each ended within a second of losing what it was opened on.

A request is decided once; a stream goes on for as long as a model writes or a client reads. So one thread per
process, while any stream is open, reads the epochs of the tenants concerned four times a second, in one query. Where
an epoch has moved it lets each stream of that tenant decide again. A stream that has not been found in order for two
seconds ends too: when the catalog cannot be asked, nobody may read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import anyio.to_thread
import sqlalchemy as sa
from fastapi.sse import format_sse_event
from prometheus_client import Counter
from sqlmodel import Session
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from acl.caller import Asker, Caller, standing_of
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core import clock
from vouch.core.errors import Unauthenticated, Unavailable, VouchError
from vouch.core.types import Json

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""Seconds between two looks at the epochs."""
WITHIN_S = 2.0
"""Seconds for which a stream may go on after it was last found in order: eight looks, so that a machine with much to
do at once does not end what nobody has lost. What is lost while the catalog answers ends after a look or two."""
FAREWELL_S = 0.25
"""Seconds that a client is given to take the last event; one that does not read is not waited for."""

STREAMS_CUT = Counter("vouch_streams_cut", "Streams ended before their time, by the code of the error.", ["code"])

Check = Callable[[Session], None]
"""Decides, in a snapshot of the tenant, whether a stream may go on; raises the error that ends it."""

_EPOCHS = sa.text("SELECT id, authz_epoch FROM tenant WHERE id = ANY(CAST(:tenants AS text[]))")


def event(name: str, data: Json) -> bytes:
    """One server-sent event."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return format_sse_event(data_str=text, event=name)


@dataclass(eq=False)
class _Open:
    """A stream as the watch knows it."""

    caller: Caller | Asker
    check: Check
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    epoch: int | None = None
    """At which it was last found in order; none at first: access may have changed since it was let in."""
    sure: float = field(default_factory=time.monotonic)
    """Up to when it is known to have been in order (``time.monotonic``)."""
    error: VouchError | None = None

    @property
    def tenant(self) -> str:
        return self.caller.tenant

    @property
    def expires_at(self) -> datetime | None:
        return self.caller.expires_at

    async def lost(self) -> VouchError:
        """Wait until the stream has to end. Returns why."""
        while self.error is None:
            left = self.sure + WITHIN_S - time.monotonic()
            if left <= 0:
                return Unavailable("Whether this may still be read could not be decided in time.")
            with anyio.move_on_after(left):
                await self.ended.wait()
        return self.error


class Watch:
    """Looks after every open stream of this process. ``catalog`` should be its own: it must not wait for others."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._streams: set[_Open] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, stream: _Open) -> Iterator[None]:
        """Watch ``stream`` while the block lasts."""
        with self._lock:
            self._streams.add(stream)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="acl-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)

    def close(self) -> None:
        self._catalog.close()

    def _run(self) -> None:
        while streams := self._still_open():
            began = time.monotonic()
            try:
                self._look(streams, began)
            except Unavailable as error:
                log.warning("open streams could not be checked: %s", error.detail)
            except Exception:
                log.exception("open streams could not be checked")
            time.sleep(max(0.0, began + EVERY_S - time.monotonic()))

    def _still_open(self) -> list[_Open]:
        with self._lock:
            if not self._streams:
                self._thread = None
            return list(self._streams)

    def _look(self, streams: Collection[_Open], began: float) -> None:
        by_tenant: dict[str, list[_Open]] = defaultdict(list)
        for stream in streams:
            by_tenant[stream.tenant].append(stream)
        with self._catalog.reading(ACROSS_TENANTS) as session:
            rows = session.execute(_EPOCHS, {"tenants": list(by_tenant)})
            epochs: dict[str, int] = {row.id: row.authz_epoch for row in rows}
        now = clock.now()
        for tenant, its in by_tenant.items():
            moved = [stream for stream in its if stream.epoch is None or stream.epoch != epochs.get(tenant)]
            for stream in its:
                if stream.expires_at is not None and stream.expires_at <= now:
                    self._end(stream, Unauthenticated())
                elif stream not in moved:
                    stream.sure = began
            if moved:
                self._decide(tenant, moved, epochs.get(tenant), began)

    def _decide(self, tenant: str, streams: Collection[_Open], epoch: int | None, began: float) -> None:
        with self._catalog.reading(tenant) as session:
            held = standing_of(session, tenant, [stream.caller for stream in streams])
            for stream in streams:
                try:
                    stream.check(session)
                except VouchError as error:
                    self._end(stream, error)
                else:
                    stream.epoch, stream.sure = epoch, began
            del held  # what a session has read it keeps only as long as somebody does

    def _end(self, stream: _Open, error: VouchError) -> None:
        with self._lock:
            if stream in self._streams:  # else its loop may be gone
                stream.error = stream.error or error
                stream.loop.call_soon_threadsafe(stream.ended.set)


class Watched(Response):
    """A stream of server-sent events that goes on while ``check`` holds and the caller's credential lasts.

    Then, and when the stream itself fails, one event ``error`` with a problem document (RFC 9457) is the last.
    ``told`` hears of it afterwards, in a thread.
    """

    def __init__(
        self,
        watch: Watch,
        stream: Response,
        caller: Caller | Asker,
        check: Check,
        told: Callable[[VouchError], None] = lambda _: None,
    ) -> None:
        self.watch, self.stream, self.caller, self.check, self.told = watch, stream, caller, check, told
        self.status_code, self.raw_headers, self.background = stream.status_code, stream.raw_headers, None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until it ends or has to."""
        begun = whole = False

        async def sending(message: Message) -> None:
            nonlocal begun, whole
            await send(message)
            begun, whole = True, message["type"] == "http.response.body" and not message.get("more_body", False)

        error = await self._serve(scope, receive, sending)
        if error is None or whole:
            return
        STREAMS_CUT.labels(error.code).inc()
        log.info("a stream of %s was ended: %s", self.caller.tenant, error.code)
        if begun:
            # It ends without the event where there is no room for it: the server closes what is left incomplete.
            with anyio.move_on_after(FAREWELL_S):
                await send({"type": "http.response.body", "body": event("error", error.problem()), "more_body": False})
        await anyio.to_thread.run_sync(self.told, error)
        if not begun:
            raise error

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> VouchError | None:
        """The error that the stream has to end with; none when it has ended by itself."""
        opened = _Open(self.caller, self.check)
        with self.watch.over(opened), anyio.CancelScope() as while_in_order:

            async def cut() -> None:
                await opened.lost()
                while_in_order.cancel()

            watching = asyncio.ensure_future(cut())
            try:
                await self.stream(scope, receive, send)
            except VouchError as error:
                return error
            except (ClientDisconnect, OSError):
                raise
            except Exception:
                log.exception("unforeseen")
                return VouchError("The platform failed in a way it did not foresee; the log has it.")
            finally:
                watching.cancel()
        return await opened.lost() if while_in_order.cancelled_caught else None
