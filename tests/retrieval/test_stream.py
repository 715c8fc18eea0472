"""What is flushed was decided at its flush: also for a client that stops reading in the middle."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection
from typing import Any

import anyio
import pytest
from starlette.types import Message

from acl.caller import Asker, authenticate
from acl.watch import Watch
from retrieval.stream import answer_stream
from retrieval.types import Question
from tests.acl.wire import Connection
from tests.retrieval.world import World

QUESTION = "How many weeks of paid parental leave may every parent take?"
GUARD_S = 30.0


class Halting(Connection):
    """A client that stops reading once it has read an event of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.mark, self.stopped = f"event: {name}\n".encode(), anyio.Event()

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.mark in message.get("body", b"") and not self.stopped.is_set():
            self.room = anyio.Event()
            self.stopped.set()

    @property
    def content(self) -> list[tuple[str, str]]:
        return [(name, json.dumps(data)) for name, data in self.told if name != "step"]


class Blind(Watch):
    """Finds everything in order: only the flush itself decides."""

    def _look(self, streams: Collection[Any], began: float) -> None:
        for stream in streams:
            stream.sure = time.monotonic()


def _revoke(world: World) -> None:
    world.member("hr", remove=["user:alice"])


def _close(world: World) -> None:
    world.readers(world.search("alice", QUESTION)[0]["document_id"], (), project=False)


def _ask(world: World, watch: Watch, halt: str, then: Callable[[World], None], *, reads_on: bool = True) -> Halting:
    """A client that stops after the first event ``halt`` and, once ``then`` is done, reads on or does not."""
    key = world.headers("alice")["Authorization"].removeprefix("Bearer ")
    caller = authenticate(world.catalog, world.services.secret_key, key, "user:alice")
    asker = Asker(caller.tenant, "user:alice", caller.key_id)

    async def run() -> Halting:
        connection = Halting(halt)
        response = answer_stream(watch, world.services, asker, Question(QUESTION, 8), None)

        async def meanwhile() -> None:
            await connection.stopped.wait()
            await anyio.to_thread.run_sync(then, world)
            if reads_on:
                connection.room.set()

        with anyio.fail_after(GUARD_S):
            async with anyio.create_task_group() as group:
                group.start_soon(meanwhile)
                await response({"type": "http", "asgi": {"spec_version": "2.4"}}, connection.receive, connection.send)
        return connection

    return asyncio.run(run())


@pytest.fixture
def two_sentences(world: World) -> World:
    world.document("Leave for carers", "Carers may take 10 weeks of unpaid parental leave too.", allow=("group:hr",))
    return world


@pytest.mark.parametrize("lose", [_revoke, _close])
@pytest.mark.parametrize("halt", ["token", "citation"])
def test_what_was_waiting_for_a_slow_client_is_decided_again(
    two_sentences: World, halt: str, lose: Callable[[World], None]
) -> None:
    whole = _ask(two_sentences, Blind(two_sentences.catalog), halt, lambda _: None)
    names = [name for name, _ in whole.content]
    assert whole.whole and names == ["token", "citation", "token", "citation", "answer"]
    cut = _ask(two_sentences, Blind(two_sentences.catalog), halt, lose)
    *before, (name, problem) = cut.content
    assert cut.whole and [name for name, _ in before] == names[: names.index(halt) + 1]
    assert name == "error" and json.loads(problem)["code"] == "answer_withdrawn"


@pytest.mark.parametrize("lose", [_revoke, _close])
def test_a_client_that_reads_no_more_is_cut_all_the_same(two_sentences: World, lose: Callable[[World], None]) -> None:
    """Nothing is flushed, so the watch alone ends it."""
    cut = _ask(two_sentences, Watch(two_sentences.catalog), "token", lose, reads_on=False)
    assert [name for name, _ in cut.content] == ["token"]
    assert not cut.whole
