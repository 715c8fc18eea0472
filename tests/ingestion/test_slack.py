"""A chat through the whole of ingestion: found by whom its channel lets in, and by nobody once it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from acl.directory import put_user
from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.slack.chat import Chat, chat
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core import clock
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def acme(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    monkeypatch.setattr("connectors.slack.workspace._NAMES", {})
    make_key_file(key_file(walk.services.settings))
    with walk.services.catalog.transaction(TENANT) as session:
        for user in ("bob", "gus"):
            put_user(session, TENANT, f"user:{user}", name=user, actor="test")
    with chat() as found:
        found.say("C0GENERAL", f"{(clock.now() - timedelta(days=3)).date()} 08:00", "The boathouse opens at nine.")
        found.say("C0BOARD", f"{(clock.now() - timedelta(days=2)).date()} 08:00", "The canteen closes in May.")
        yield found


def _source(walk: Walk, acme: Chat) -> Source:
    return walk.add_source("chat", "slack", **acme.config())


def _readable(walk: Walk, user: str) -> set[str]:
    """Channels of which the user may read something."""
    with walk.services.catalog.reading(TENANT) as session:
        names = _names(session)
        allowed = recheck(session, resolve(session, TENANT, f"user:{user}"), list(names))[1]
        return {names[id_].partition("/")[0] for id_ in allowed}


def _names(session: Session) -> dict[str, str]:
    live = sa.text("SELECT id, external_id FROM document WHERE state = 'live'")
    return {str(id_): str(name) for id_, name in session.execute(live)}


def test_who_may_read_follows_the_channels_and_what_is_deleted_is_gone(walk: Walk, acme: Chat) -> None:
    source = _source(walk, acme)
    assert walk.sync(source, "full")["state"] == "succeeded"
    assert _readable(walk, "alice") == {"C0GENERAL", "C0BOARD"}
    assert _readable(walk, "bob") == _readable(walk, "gus") == {"C0GENERAL"}

    acme.members["C0BOARD"], acme.members["C0GENERAL"] = ["U0BOB"], ["U0ALICE", "U0BOB"]
    assert walk.sync(source, "access")["counts"]["changed"] == 0
    assert _readable(walk, "alice") == {"C0GENERAL"} and _readable(walk, "bob") == {"C0GENERAL", "C0BOARD"}
    assert _readable(walk, "gus") == set()

    acme.channels["C0GENERAL"]["is_private"] = True
    acme.users["U0ALICE"]["deleted"] = True
    assert walk.sync(source)["counts"]["access_changed"] == 1  # at once, for everything that was said in it
    assert walk.sync(source, "access")["state"] == "succeeded"
    assert _readable(walk, "alice") == set() and _readable(walk, "bob") == {"C0GENERAL", "C0BOARD"}

    acme.messages["C0BOARD"].clear()
    assert walk.sync(source)["counts"]["deleted"] == 1
    assert _readable(walk, "bob") == {"C0GENERAL"}
    assert walk.verify().clean
