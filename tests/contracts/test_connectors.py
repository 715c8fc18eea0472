"""What every kind of connector keeps to. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from acl.groups import issuer_of, own_memberships
from connectors.protocol import Connector
from connectors.registry import connector_kinds, make_connector
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import BadConfig, NotFound
from vouch.core.types import (
    AccessUnknown,
    AclChanged,
    Body,
    Checkpoint,
    Deleted,
    RawClause,
    Refused,
    Unreached,
    Upsert,
    principal_name,
)
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import NOWHERE_PRIVATE, Outbound


@dataclass(frozen=True)
class World:
    """A source that holds ``items`` and, when changed, one more (``added``); its configuration."""

    config: dict[str, Any]
    items: dict[str, bytes]
    add: Callable[[str, bytes], None]
    added: str = "z new.md"
    outbound: Outbound = NOWHERE_PRIVATE
    close: Callable[[], None] = lambda: None


def filesystem(folder: Path) -> World:
    items = {"a.md": b"# A\n", "sub/b c.txt": "grün".encode(), "sub/deep/e.bin": b"\x00\x01"}

    def add(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    for name, data in items.items():
        add(name, data)
    add(".vouch.yaml", b"access: {allow: [group:hr], deny: [user:mallory]}\nowner: user:carol\n")
    return World({"path": str(folder)}, items, add)


def push(folder: Path) -> World:
    return World({}, {}, lambda name, data: None)


def web(folder: Path) -> World:
    site: dict[str, bytes] = {"/": b'<title>A</title><a href="b%20c.txt">b</a>', "/b%20c.txt": "grün".encode()}

    def script(asked: Asked) -> Reply:
        if asked.path not in site:
            return Reply(404)
        mime = "text/plain" if asked.path.endswith(".txt") else "text/html"
        return Reply(200, site[asked.path], {"Content-Type": mime, "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"})

    stack = ExitStack()
    server = stack.enter_context(serving(script))

    def add(url: str, data: bytes) -> None:
        site[url.removeprefix(server.url)] = data

    more = f"{server.url}/more.html"
    config = {"start": [f"{server.url}/", more], "delay_s": 0, "access": [{"allow": ["group:hr"]}]}
    items = {f"{server.url}{path}": data for path, data in site.items()}
    door = Outbound(Ways(Allowed.parse("127.0.0.1")))
    return World(config, items, add, more, door, stack.close)


WORLDS = {"filesystem": filesystem, "push": push, "web": web}


@pytest.fixture(params=sorted(WORLDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str, tmp_path: Path) -> Iterator[World]:
    found = WORLDS[kind](tmp_path)
    yield found
    found.close()


@pytest.fixture
def connector(kind: str, world: World) -> Connector:
    return make_connector(kind, world.config, world.outbound)


def test_every_installed_kind_is_under_this_contract() -> None:
    assert set(connector_kinds()) == set(WORLDS)


def test_a_class_says_what_it_is(kind: str) -> None:
    connector = connector_kinds()[kind]
    assert connector.kind == kind
    assert issubclass(connector.Config, BaseModel)
    assert isinstance(connector.lists_everything, bool)
    schema = connector.Config.model_json_schema()
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_an_unknown_setting_is_refused_by_name(kind: str, world: World) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector(kind, {**world.config, "nonsense": 1})
    assert refused.value.field == "config.nonsense"


def test_a_scan_names_each_item_once_and_ends_with_a_checkpoint(connector: Connector, world: World) -> None:
    changes = list(connector.scan(None))
    named = [c.external_id for c in changes if not isinstance(c, Checkpoint)]
    assert sorted(named) == sorted(world.items)
    assert len(set(named)) == len(named)
    if changes:
        assert isinstance(changes[-1], Checkpoint)
        assert json.loads(json.dumps(changes[-1].cursor)) == changes[-1].cursor


def test_changes_are_well_formed(connector: Connector) -> None:
    for change in connector.scan(None):
        assert isinstance(change, Upsert | AclChanged | Deleted | Refused | Unreached | Checkpoint)
        if isinstance(change, Upsert):
            assert change.fingerprint and change.uri
            assert change.modified_at is None or change.modified_at.tzinfo is not None
            if not isinstance(change.acl, AccessUnknown):
                for clause in change.acl or ():
                    assert isinstance(clause, RawClause)
                    assert all(isinstance(entry, str) for entry in (*clause.allow, *clause.deny))


def test_everything_offered_can_be_fetched(connector: Connector, world: World) -> None:
    for change in connector.scan(None):
        if isinstance(change, Upsert):
            assert connector.fetch(change.external_id) == Body(world.items[change.external_id], change.mime)


def test_scanning_changes_nothing(connector: Connector) -> None:
    assert list(connector.scan(None)) == list(connector.scan(None))


def test_a_scan_goes_on_from_a_checkpoint(connector: Connector, world: World) -> None:
    checkpoints = [c for c in connector.scan(None) if isinstance(c, Checkpoint)]
    world.add(world.added, b"new")
    cursor = checkpoints[-1].cursor if checkpoints else None
    named = {c.external_id for c in connector.scan(cursor) if isinstance(c, Upsert)}
    assert (world.added in named) == bool(world.items)
    if connector.lists_everything:
        assert named >= set(world.items)


def test_what_is_not_there_is_not_found(connector: Connector) -> None:
    with pytest.raises(NotFound):
        connector.fetch("no such item")


def test_memberships_are_of_written_principals_in_groups_of_its_own(connector: Connector, world: World) -> None:
    told = [(membership.group, membership.member) for membership in connector.memberships()]
    assert len(own_memberships(told, issuer_of(world.config))) == len(set(told))
    for membership in connector.memberships():
        assert principal_name(membership.group, kind="group") == membership.group
        assert principal_name(membership.member) == membership.member
