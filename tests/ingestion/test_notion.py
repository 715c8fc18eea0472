"""A Notion workspace through the whole of ingestion: a root's rules hold for what is below it, and for as long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from acl.recheck import recheck
from acl.resolve import resolve
from ingestion.schemas import SourcePatch
from ingestion.sources import change, find_source
from tests.connectors.notion.workspace import TOKEN, Workspace, notion, uid
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def space() -> Iterator[Workspace]:
    with notion() as found:
        found.page("hall", None, "The boathouse opens at nine.")
        found.page("plan", "hall", "What is planned.")
        found.database("boats", "hall")
        found.row("Kittiwake", "boats rows", "She leaks.", Berth={"type": "number", "number": 7})
        found.page("board", None, "Minutes.")
        yield found


def roots(readers: str) -> list[dict[str, Any]]:
    return [{"id": uid("hall"), "access": [{"allow": [readers]}]}, {"id": uid("board")}]


def readable(walk: Walk, user: str = "user:alice") -> set[str]:
    """Titles of what a user may read of what is live."""
    with walk.services.catalog.reading(TENANT) as session:
        rows = session.execute(sa.text("SELECT id, title FROM document WHERE state = 'live'"))
        names = {row.id: row.title for row in rows}
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def open_to(walk: Walk, space: Workspace, readers: str) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        source = find_source(session, TENANT, "notion", lock=True)
        asked = SourcePatch(config=space.config(roots=roots(readers)))
        change(session, source, asked, actor="test", settings=walk.services.settings)


def add(walk: Walk, space: Workspace) -> Source:
    make_key_file(key_file(walk.services.settings))
    return walk.add_source("notion", "notion", **space.config(roots=roots("group:staff")))


def test_what_a_root_says_holds_below_it_and_what_goes_there_goes_here(walk: Walk, space: Workspace) -> None:
    source = add(walk, space)
    job = walk.sync(source, "full")
    assert job["state"] == "succeeded", job
    everything = {"hall", "plan", "boats", "Kittiwake"}
    assert readable(walk) == everything and walk.verify().clean
    assert walk.scalar("SELECT count(*) FROM document WHERE state = 'live'") == 5
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%Berth: 7%She leaks.%'") == 1
    assert TOKEN not in str(walk.scalar("SELECT config::text FROM source"))
    space.move("plan", "board")  # and its text stays as it is
    assert walk.sync(source)["counts"]["access_changed"] == 1
    assert readable(walk) == everything - {"plan"} and walk.verify().clean
    for readers, seen in (("user:nobody", set()), ("group:staff", everything - {"plan"})):
        open_to(walk, space, readers)
        assert walk.sync(source, "access")["state"] == "succeeded" and readable(walk) == seen
    space.trash("Kittiwake")
    job = walk.sync(source)
    assert job["counts"]["deleted"] == 1 and job["counts"]["changed"] == 0, job["counts"]
    assert readable(walk) == {"hall", "boats"} and walk.verify().clean


def test_an_integration_that_is_taken_off_a_root_deletes_nothing(walk: Walk, space: Workspace) -> None:
    source = add(walk, space)
    walk.sync(source, "full")
    space.hidden = {uid("hall"), uid("plan"), uid("boats"), uid("boats rows"), uid("Kittiwake")}
    job = walk.sync(source)
    assert job["state"] != "succeeded" and job["counts"]["deleted"] == 0
    assert walk.scalar("SELECT count(*) FROM document WHERE state = 'live'") == 5
