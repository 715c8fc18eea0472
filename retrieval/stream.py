"""An answer as server-sent events: ``step``, ``token``, ``citation``, ``answer``, ``error``.

The walk runs in a thread and hands events over a queue. A sentence leaves only after its claim is verified, and
each flush is preceded by a check of everything that the answer was made from: what is revoked meanwhile ends
the stream. When the client has gone, the next event ends the work.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from acl.caller import Asker
from acl.recheck import recheck
from acl.resolve import resolve
from retrieval.generate import Profile
from retrieval.metrics import STREAMS_CUT
from retrieval.pipeline import ask
from retrieval.release import pieces
from retrieval.schemas import AnswerResponse
from retrieval.services import Services
from retrieval.types import Question, Released
from vouch.core.errors import AnswerWithdrawn, VouchError
from vouch.core.types import Json

log = logging.getLogger(__name__)

PING_S = 15.0
"""Seconds of silence after which a comment keeps the connection open."""

Emit = Callable[[str, Json], None]


class ClientGone(Exception):
    """Nobody listens any more. Ends the work; never leaves this module."""


def answer_events(
    services: Services, asker: Asker, question: Question, profile: Profile | None
) -> AsyncIterator[bytes]:
    """The stream of one question, already guarded."""

    def work(emit: Emit) -> None:
        released, trace_id = ask(services, asker, question, profile, lambda name: emit("step", {"name": name}))
        _deliver(services, asker, released, AnswerResponse.of(released, trace_id, question.conversation_id), emit)

    return _from_thread(work)


def _deliver(services: Services, asker: Asker, released: Released, body: AnswerResponse, emit: Emit) -> None:
    """Sentence by sentence, each with the citations it is the first to use, then the whole."""
    cited = [claim.citations for claim in released.claims] or [()]
    told: set[int] = set()
    for text, numbers in zip(pieces(released.claims) or [released.text], cited, strict=True):
        _still_readable(services, asker, released)
        emit("token", {"text": text})
        for citation in body.citations:
            if citation.n in numbers and citation.n not in told:
                told.add(citation.n)
                emit("citation", citation.model_dump(mode="json"))
    _still_readable(services, asker, released)
    emit("answer", body.model_dump(mode="json"))


def _still_readable(services: Services, asker: Asker, released: Released) -> None:
    with services.catalog.reading(asker.tenant) as session:
        _, readable = recheck(session, resolve(session, asker.tenant, asker.user), released.document_ids)
    if not released.document_ids <= readable:
        STREAMS_CUT.inc()
        raise AnswerWithdrawn("The answer can no longer be given as it stood; ask again.")


async def _from_thread(work: Callable[[Emit], None]) -> AsyncIterator[bytes]:
    """What ``work`` emits, as it does; an error of its is the last event."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    gone = threading.Event()

    def emit(event: str, data: Json) -> None:
        if gone.is_set():
            raise ClientGone
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        loop.call_soon_threadsafe(queue.put_nowait, format_sse_event(data_str=text, event=event))

    def run() -> None:
        try:
            work(emit)
        except ClientGone:
            log.info("the client has gone; its question was dropped")
        except VouchError as error:
            _fail(emit, error)
        except Exception:
            log.exception("unforeseen")
            _fail(emit, VouchError("The platform failed in a way it did not foresee; the log has it."))
        finally:
            loop.call_soon_threadsafe(queue.put_nowait, None)

    thread = asyncio.ensure_future(run_in_threadpool(run))
    try:
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), PING_S)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if event is None:
                break
            yield event
        await thread
    finally:
        gone.set()


def _fail(emit: Emit, error: VouchError) -> None:
    try:
        emit("error", error.problem())
    except ClientGone:
        log.info("the client had gone before it could be told: %s", error.code)
