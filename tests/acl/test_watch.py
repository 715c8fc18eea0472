"""Open streams end when what they were opened on does, whether anything is flushed or not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from fastapi.responses import StreamingResponse
from sqlmodel import Session

from acl import directory
from acl.caller import Caller, require_standing, standing_of
from acl.keys import create_key, revoke_key
from acl.watch import Check, Watch, Watched, event
from tests.acl.wire import Connection
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.core.errors import AnswerWithdrawn, ModelUnavailable, NotFound, Unauthenticated

GUARD_S = 30.0
"""Nothing here takes so long: a stream that is never ended fails the test rather than hang it."""
FIRST = event("step", {"name": "resolve"})


@pytest.fixture
def caller(catalog: Catalog) -> Caller:
    """Alice, by a key of hers; of another tenant there is a namesake."""
    for tenant in ("t", "other"):
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
        _put(catalog, tenant, "alice")
    with catalog.transaction("t") as session:
        key = create_key(session, "secret", "t", name="app", scopes=["ask"], user="user:alice", actor="test")
    return Caller("t", key.id, frozenset({"ask"}), "user:alice")


def _put(catalog: Catalog, tenant: str, user: str, **given: Any) -> None:
    with catalog.transaction(tenant) as session:
        directory.put_user(session, tenant, f"user:{user}", name=user, actor="test", **given)


async def silent() -> AsyncIterator[bytes]:
    """One event, then a model that never answers."""
    yield FIRST
    await anyio.sleep_forever()


async def chatty() -> AsyncIterator[bytes]:
    while True:
        yield FIRST
        await anyio.sleep(0.01)


def stream(
    watch: Watch,
    caller: Caller,
    body: AsyncIterator[bytes],
    then: Callable[[Connection], None] = lambda _: None,
    check: Check | None = None,
) -> Connection:
    """Serve ``body``; once the first event has left ``then`` happens, and the stream has to end by itself."""

    async def run() -> Connection:
        connection = Connection()
        watched = Watched(
            watch, StreamingResponse(body), caller, check or (lambda session: require_standing(session, caller))
        )
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}

        async def happen() -> None:
            await connection.heard.wait()
            await anyio.to_thread.run_sync(then, connection)

        with anyio.fail_after(GUARD_S):
            async with anyio.create_task_group() as group:
                group.start_soon(happen)
                await watched(scope, connection.receive, connection.send)
        return connection

    return asyncio.run(run())


def _deactivate(catalog: Catalog, caller: Caller) -> None:
    _put(catalog, "t", "alice", active=False)


def _delete(catalog: Catalog, caller: Caller) -> None:
    with catalog.transaction("t") as session:
        directory.delete_user(session, "t", "user:alice", actor="test")


def _revoke(catalog: Catalog, caller: Caller) -> None:
    with catalog.transaction("t") as session:
        revoke_key(session, "t", caller.key_id, actor="test")


@pytest.mark.parametrize("body", [silent, chatty])
@pytest.mark.parametrize("ending", [_deactivate, _delete, _revoke])
def test_a_stream_ends_with_its_user_and_with_its_key(
    catalog: Catalog,
    caller: Caller,
    body: Callable[[], AsyncIterator[bytes]],
    ending: Callable[[Catalog, Caller], None],
) -> None:
    told = stream(Watch(catalog), caller, body(), lambda _: ending(catalog, caller))
    assert told.whole
    assert {name for name, _ in told.events[:-1]} == {"step"}
    assert told.events[-1] == ("error", "unauthenticated")


def test_a_stream_ends_with_whose_key_it_is_whomever_it_acts_for(catalog: Catalog, caller: Caller) -> None:
    _put(catalog, "t", "bob")
    acting = replace(caller, user="user:bob")
    told = stream(
        Watch(catalog),
        acting,
        silent(),
        lambda _: _deactivate(catalog, caller),
        lambda session: require_standing(session, acting),
    )
    assert told.events[-1] == ("error", "unauthenticated")


@pytest.mark.parametrize("ending", [_deactivate, _revoke])
def test_what_ended_before_the_stream_began_ends_it_too(
    catalog: Catalog, caller: Caller, ending: Callable[[Catalog, Caller], None]
) -> None:
    """Between letting a request in and watching its stream access may change."""
    ending(catalog, caller)
    told = stream(Watch(catalog), caller, silent())
    assert told.events == [("step", None), ("error", "unauthenticated")]


def test_a_stream_ends_when_its_credential_expires(catalog: Catalog, caller: Caller) -> None:
    """No epoch begins with the passing of time."""
    expiring = replace(caller, expires_at=clock.now() + timedelta(seconds=0.4))
    told = stream(Watch(catalog), expiring, silent())
    assert told.events == [("step", None), ("error", "unauthenticated")]


def test_a_change_that_is_not_theirs_lets_the_stream_go_on(catalog: Catalog, caller: Caller) -> None:
    checks = 0
    once, again = threading.Event(), threading.Event()

    def check(session: Session) -> None:
        nonlocal checks
        checks += 1
        require_standing(session, caller)
        (again if checks > 1 else once).set()

    def change(_: Connection) -> None:
        once.wait(GUARD_S)  # what was changed before the first look is not looked at again
        _put(catalog, "t", "bob", active=False)

    async def until_checked_again() -> AsyncIterator[bytes]:
        yield FIRST
        while not again.is_set():
            await anyio.sleep(0.01)
        yield event("answer", {})

    told = stream(Watch(catalog), caller, until_checked_again(), change, check)
    assert told.whole and told.events == [("step", None), ("answer", None)]


def test_another_tenants_changes_are_not_even_looked_at(catalog: Catalog, caller: Caller) -> None:
    looks: list[int] = []
    checks: list[Session] = []

    class Counting(Watch):
        def _look(self, *given: Any) -> None:
            super()._look(*given)
            looks.append(len(checks))

    async def for_three_looks() -> AsyncIterator[bytes]:
        yield FIRST
        while len(looks) < 3:
            await anyio.sleep(0.01)

    told = stream(
        Counting(catalog),
        caller,
        for_three_looks(),
        lambda _: _put(catalog, "other", "alice", active=False),
        checks.append,
    )
    assert told.whole and told.events == [("step", None)]
    assert len(checks) == 1


def test_a_client_that_does_not_read_is_not_waited_for(catalog: Catalog, caller: Caller) -> None:
    """Nor is anything written for it afterwards."""
    left = 0

    def then(connection: Connection) -> None:
        nonlocal left
        connection.room = anyio.Event()
        left = len(connection.sent)
        _deactivate(catalog, caller)

    told = stream(Watch(catalog), caller, silent(), then)
    assert not told.whole and len(told.sent) == left


def test_what_was_checked_and_found_lost_ends_it_with_that_error(catalog: Catalog, caller: Caller) -> None:
    lost = threading.Event()

    def check(session: Session) -> None:
        if lost.is_set():
            raise AnswerWithdrawn

    def then(_: Connection) -> None:
        lost.set()
        _put(catalog, "t", "bob")

    assert stream(Watch(catalog), caller, silent(), then, check).events[-1] == ("error", "answer_withdrawn")


def test_a_catalog_that_cannot_be_reached_ends_every_stream(catalog: Catalog, caller: Caller) -> None:
    nowhere = Catalog("postgresql:///vouch?host=/nowhere")
    assert stream(Watch(nowhere), caller, silent()).events == [("step", None), ("error", "unavailable")]


def test_a_catalog_that_does_not_answer_ends_every_stream(catalog: Catalog, caller: Caller) -> None:
    answering = threading.Event()

    def hanging(_: Session) -> None:
        answering.wait(GUARD_S)

    try:
        told = stream(Watch(catalog), caller, silent(), check=hanging)
        assert not answering.is_set()
    finally:
        answering.set()
    assert told.events == [("step", None), ("error", "unavailable")]


def test_a_fault_in_checking_ends_the_stream_and_not_the_watch(catalog: Catalog, caller: Caller) -> None:
    def faulty(_: Session) -> None:
        raise ZeroDivisionError

    watch = Watch(catalog)
    assert stream(watch, caller, silent(), check=faulty).events[-1] == ("error", "unavailable")
    told = stream(watch, caller, silent(), lambda _: _deactivate(catalog, caller))
    assert told.events[-1] == ("error", "unauthenticated")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(NotFound(), "not_found"), (ModelUnavailable(), "model_unavailable"), (ZeroDivisionError(), "internal")],
)
def test_a_stream_that_fails_says_so_last(catalog: Catalog, caller: Caller, fault: Exception, code: str) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield FIRST
        raise fault

    told = stream(Watch(catalog), caller, failing())
    assert told.whole and told.events == [("step", None), ("error", code)]


def test_before_anything_was_sent_the_error_is_the_response(catalog: Catalog, caller: Caller) -> None:
    _revoke(catalog, caller)

    class Late(StreamingResponse):
        async def __call__(self, *_: Any) -> None:
            await anyio.sleep_forever()

    async def run() -> None:
        connection = Connection()
        late = Watched(Watch(catalog), Late(silent()), caller, lambda session: require_standing(session, caller))
        with anyio.fail_after(GUARD_S), pytest.raises(Unauthenticated):
            await late({"type": "http"}, connection.receive, connection.send)
        assert not connection.sent

    asyncio.run(run())


def test_nobody_is_watched_when_no_stream_is_open(catalog: Catalog, caller: Caller) -> None:
    watch = Watch(catalog)

    async def short() -> AsyncIterator[bytes]:
        yield FIRST

    for _ in range(2):  # a watch that has rested begins again
        assert stream(watch, caller, short()).whole
        thread = watch._thread
        if thread is not None:
            thread.join(GUARD_S)
            assert not thread.is_alive()
        assert watch._thread is None and not watch._streams


def test_many_streams_are_decided_about_in_a_few_queries(catalog: Catalog, caller: Caller) -> None:
    """Else hundreds of them, looked at one by one on a machine that has much to do, would all end for being late."""
    users = [f"reader-{n}" for n in range(30)]
    for user in users:
        _put(catalog, "t", user, active=user != "reader-7")
    with catalog.transaction("t") as session:
        key = create_key(session, "secret", "t", name="app", scopes=["ask", "act_as"], actor="test")
    callers = [caller, *(replace(caller, key_id=key.id, user=f"user:{user}") for user in users)]
    asked: list[str] = []
    with catalog.reading("t") as session:
        session.connection()
        sa.event.listen(session.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))
        held = standing_of(session, "t", callers)
        gone = [one.user for one in callers if not _stands(session, one)]
    assert gone == ["user:reader-7"] and len(asked) == 3 and len(held) == 33


def _stands(session: Session, caller: Caller) -> bool:
    try:
        require_standing(session, caller)
    except Unauthenticated:
        return False
    return True
