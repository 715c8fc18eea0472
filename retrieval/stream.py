"""An answer as server-sent events: ``step``, ``token``, ``citation``, ``answer``, ``error``.

The walk runs in a thread and tells of its steps, and of each sentence once it is verified and released, while the
model writes the next; what is told is how the answer begins, and is never taken back. Each event with content is
checked at its flush: first the connection has to have room, then everything that the answer was made from is decided
again, then the event leaves. Between flushes :mod:`acl.watch` ends the stream when what was already told
may no longer be read, or its asker may no longer ask. When the client has gone, the next step ends the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

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
from retrieval.pipeline import Audience, ask
from retrieval.release import pieces
from retrieval.schemas import AnswerResponse
from retrieval.schemas.responses import Citation
from retrieval.services import Services
from retrieval.types import Question, Released
from retrieval.walks import limiter
from vouch.core.errors import AnswerWithdrawn, VouchError
from vouch.core.types import Json

log = logging.getLogger(__name__)

PING_S = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
AHEAD = 1_000
"""Steps and sentences that the walk may be ahead of a client that does not read; then it waits. More than most have: a
model, whose turn others wait for, does not wait for a client."""
_ROOM = b""
"""Sent before a check: a server writes at once, and waits for room before the next write. So nothing that was
checked waits in a queue of ours."""


@dataclass(frozen=True, slots=True)
class _SoFar:
    """An answer as it stands, and what the audit log calls it."""

    released: Released
    subject: str


class ClientGone(Exception):
    """Nobody listens any more. Ends the work; never leaves this module."""


def answer_stream(watch: Watch, services: Services, asker: Asker, question: Question, profile: str | None) -> Watched:
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
        self._told: tuple[str, ...] = ()
        """The answer's text so far, claim by claim."""
        self._cited = 0
        """Citations that have been told."""
        self._subject: str | None = None

    def cut(self, error: VouchError) -> None:
        """Log that the answer, which the log says was given, was not given to its end."""
        if self._subject is not None:
            why = {"code": error.code}
            record_reading(self._services.catalog, self._asker, "answer.cut", self._subject, why)

    def check(self, session: Session) -> None:
        """Raises :class:`Unauthenticated` when the asker may ask no more, :class:`AnswerWithdrawn` when they may
        not read all that the answer was made from."""
        require_standing(session, self._asker)
        if self._told_of:
            access = resolve(session, self._asker.tenant, self._asker.user)
            if not self._told_of <= recheck(session, access, self._told_of)[1]:
                raise AnswerWithdrawn("The answer can no longer be given as it stood; ask again.")

    async def events(self, question: Question, profile: str | None) -> AsyncIterator[bytes]:
        """The steps and the sentences, then the whole. Raises what asking and checking raise."""
        told, parts = anyio.create_memory_object_stream[str | _SoFar](AHEAD)
        walking = asyncio.ensure_future(
            anyio.to_thread.run_sync(self._walk, question, profile, told, abandon_on_cancel=True, limiter=limiter())
        )
        walking.add_done_callback(lambda _: told.close())
        try:
            async for part in _pinging(parts):
                if isinstance(part, _SoFar):
                    async for flushed in self._flush(part):
                        yield flushed
                else:
                    yield event("step", {"name": part}) if part is not None else KEEPALIVE_COMMENT
            released, body = await walking
            async for flushed in self._flush(_SoFar(released, f"answer:{released.id}"), body):
                yield flushed
        finally:
            parts.close()
            walking.cancel()

    def _walk(
        self, question: Question, profile: str | None, told: MemoryObjectSendStream[str | _SoFar]
    ) -> tuple[Released, AnswerResponse]:
        def send(part: str | _SoFar) -> None:
            try:
                anyio.from_thread.run(told.send, part)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                log.info("nobody listens any more; the question was dropped")
                raise ClientGone from None

        audience = Audience(send, lambda released, trace_id: send(_SoFar(released, f"trace:{trace_id}")))
        released, trace_id = ask(self._services, self._asker, question, profile, audience)
        return released, AnswerResponse.of(released, trace_id, question.conversation_id)

    async def _flush(self, so_far: _SoFar, whole: AnswerResponse | None = None) -> AsyncIterator[bytes]:
        """What is new in the answer so far, each part checked at its flush. Raises :class:`AnswerWithdrawn` where what
        was told is not how it begins any more."""
        released = so_far.released
        self._told_of, self._subject = self._told_of | released.document_ids, so_far.subject
        texts = () if released.awaits else tuple(pieces(released.claims)) or (released.text,)
        if texts[: len(self._told)] != self._told:
            raise AnswerWithdrawn("The answer can no longer be given as it stood; ask again.")
        for name, data in self._new(released, texts, whole):
            yield _ROOM
            await anyio.to_thread.run_sync(self._check_now)
            yield event(name, data)

    def _new(
        self, released: Released, texts: tuple[str, ...], whole: AnswerResponse | None
    ) -> Iterator[tuple[str, Json]]:
        """Sentence by sentence, each with the citations it is the first to use, then the whole where there is one. Of
        what waits for a person to approve it only that it does."""
        cited = [claim.citations for claim in released.claims] or [()]
        for n in range(len(self._told), len(texts)):
            yield "token", {"text": texts[n]}
            last = max((*cited[n], self._cited))
            for citation in released.citations[self._cited : last]:
                yield "citation", Citation.of(citation).model_dump(mode="json")
            self._cited = last
        self._told = texts
        if whole is not None:
            yield "answer", whole.model_dump(mode="json")

    def _check_now(self) -> None:
        with self._services.catalog.reading(self._asker.tenant) as session:
            self.check(session)


async def _pinging(parts: MemoryObjectReceiveStream[str | _SoFar]) -> AsyncIterator[str | _SoFar | None]:
    """The parts as they come; None after each silence of :data:`PING_S`."""
    while True:
        part: str | _SoFar | None = None
        try:
            with anyio.move_on_after(PING_S):
                part = await parts.receive()
        except anyio.EndOfStream:
            return
        yield part
