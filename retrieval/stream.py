"""An answer as server-sent events: ``step``, ``token``, ``citation``, ``answer``, ``error``.

The walk runs in a thread and tells of its steps; what it has released is told sentence by sentence. Each event with
content is checked at its flush: first the connection has to have room, then everything that the answer was made from
is decided again, then the event leaves. Between flushes :mod:`acl.watch` ends the stream when what was already told
may no longer be read, or its asker may no longer ask. When the client has gone, the next step ends the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT
from sqlmodel import Session

from acl.audit import record_reading
from acl.caller import Asker, require_standing
from acl.recheck import recheck
from acl.resolve import resolve
from acl.watch import Watch, Watched, event
from retrieval.generate import Profile
from retrieval.pipeline import ask
from retrieval.release import pieces
from retrieval.schemas import AnswerResponse
from retrieval.services import Services
from retrieval.types import Question, Released
from retrieval.walks import limiter
from vouch.core.errors import AnswerWithdrawn, VouchError
from vouch.core.types import Json

log = logging.getLogger(__name__)

PING_S = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
STEPS_AHEAD = 4
"""Steps that the walk may be ahead of a client that does not read; then it waits."""
_ROOM = b""
"""Sent before a check: a server writes at once, and waits for room before the next write. So nothing that was
checked waits in a queue of ours."""


class ClientGone(Exception):
    """Nobody listens any more. Ends the work; never leaves this module."""


def answer_stream(
    watch: Watch, services: Services, asker: Asker, question: Question, profile: Profile | None
) -> Watched:
    """The response that streams the answer to one question, already guarded."""
    telling = Telling(services, asker)
    stream = StreamingResponse(
        telling.events(question, profile),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    return Watched(watch, stream, asker, telling.check, telling.cut)


class Telling:
    """One answer on its way to one asker."""

    def __init__(self, services: Services, asker: Asker) -> None:
        self._services, self._asker = services, asker
        self._told_of: frozenset[str] = frozenset()
        """Documents that stand behind what has been told, or is about to be."""
        self._answer_id: str | None = None

    def cut(self, error: VouchError) -> None:
        """Log that the answer, which the log says was given, was not given to its end."""
        if self._answer_id is not None:
            subject, why = f"answer:{self._answer_id}", {"code": error.code}
            record_reading(self._services.catalog, self._asker, "answer.cut", subject, why)

    def check(self, session: Session) -> None:
        """Raises :class:`Unauthenticated` when the asker may ask no more, :class:`AnswerWithdrawn` when they may
        not read all that the answer was made from."""
        require_standing(session, self._asker)
        if self._told_of:
            access = resolve(session, self._asker.tenant, self._asker.user)
            if not self._told_of <= recheck(session, access, self._told_of)[1]:
                raise AnswerWithdrawn("The answer can no longer be given as it stood; ask again.")

    async def events(self, question: Question, profile: Profile | None) -> AsyncIterator[bytes]:
        """The steps, then what was released. Raises what asking and checking raise."""
        told, steps = anyio.create_memory_object_stream[str](STEPS_AHEAD)
        walking = asyncio.ensure_future(
            anyio.to_thread.run_sync(self._walk, question, profile, told, abandon_on_cancel=True, limiter=limiter())
        )
        walking.add_done_callback(lambda _: told.close())
        try:
            async for step in _pinging(steps):
                yield event("step", {"name": step}) if step is not None else KEEPALIVE_COMMENT
            released, body = await walking
            self._told_of, self._answer_id = released.document_ids, released.id
            for name, data in _parts(released, body):
                yield _ROOM
                await anyio.to_thread.run_sync(self._check_now)
                yield event(name, data)
        finally:
            steps.close()
            walking.cancel()

    def _walk(
        self, question: Question, profile: Profile | None, told: MemoryObjectSendStream[str]
    ) -> tuple[Released, AnswerResponse]:
        def follow(step: str) -> None:
            try:
                anyio.from_thread.run(told.send, step)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                log.info("nobody listens any more; the question was dropped")
                raise ClientGone from None

        released, trace_id = ask(self._services, self._asker, question, profile, follow)
        return released, AnswerResponse.of(released, trace_id, question.conversation_id)

    def _check_now(self) -> None:
        with self._services.catalog.reading(self._asker.tenant) as session:
            self.check(session)


async def _pinging(steps: MemoryObjectReceiveStream[str]) -> AsyncIterator[str | None]:
    """The steps as they come; None after each silence of :data:`PING_S`."""
    while True:
        step: str | None = None
        try:
            with anyio.move_on_after(PING_S):
                step = await steps.receive()
        except anyio.EndOfStream:
            return
        yield step


def _parts(released: Released, body: AnswerResponse) -> Iterator[tuple[str, Json]]:
    """Sentence by sentence, each with the citations it is the first to use, then the whole. Of what waits for a person
    to approve it only that it does."""
    if released.awaits is not None:
        yield "answer", body.model_dump(mode="json")
        return
    cited = [claim.citations for claim in released.claims] or [()]
    told: set[int] = set()
    for text, numbers in zip(pieces(released.claims) or [released.text], cited, strict=True):
        yield "token", {"text": text}
        for citation in body.citations:
            if citation.n in numbers and citation.n not in told:
                told.add(citation.n)
                yield "citation", citation.model_dump(mode="json")
    yield "answer", body.model_dump(mode="json")
