"""What every kind of connector keeps to. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.protocol import Connector
from connectors.registry import connector_kinds, make_connector
from tests.connectors.repository import Repository
from vouch.core.errors import BadConfig, NotFound
from vouch.core.types import (
    AccessUnknown,
    AclChanged,
    Body,
    Checkpoint,
    Deleted,
    RawClause,
    Refused,
    Upsert,
    principal_name,
)


@dataclass(frozen=True)
class World:
    """A source that holds ``items`` and, when changed, one more; its configuration."""

    config: dict[str, Any]
    items: dict[str, bytes]
    add: Callable[[str, bytes], object]


def filesystem(folder: Path) -> World:
    items = {"a.md": b"# A\n", "sub/b c.txt": "grün".encode(), "sub/deep/e.bin": b"\x00\x01"}

    def add(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    for name, data in items.items():
        add(name, data)
    add(".vouch.yaml", b"access: {allow: [group:hr], deny: [user:mallory]}\nowner: user:carol\n")
    return World({"path": str(folder)}, items, add)


def git(folder: Path) -> World:
    made = Repository(folder / "made.git")
    items = {"a.md": b"# A\n", "sub/b c.txt": "grün".encode(), "sub/deep/e.bin": b"\x00\x01"}
    made.commit(dict(items))
    access = [{"paths": ["*"], "clauses": [{"allow": ["group:hr"], "deny": ["user:mallory"]}]}]
    return World({"path": str(made.path), "access": access}, items, lambda name, data: made.commit({name: data}))


def push(folder: Path) -> World:
    return World({}, {}, lambda name, data: None)


WORLDS = {"filesystem": filesystem, "git": git, "push": push}


@pytest.fixture(params=sorted(WORLDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str, tmp_path: Path) -> World:
    return WORLDS[kind](tmp_path)


@pytest.fixture
def connector(kind: str, world: World) -> Connector:
    return make_connector(kind, world.config)


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
        assert isinstance(change, Upsert | AclChanged | Deleted | Refused | Checkpoint)
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
    world.add("z new.md", b"new")
    cursor = checkpoints[-1].cursor if checkpoints else None
    named = {c.external_id for c in connector.scan(cursor) if isinstance(c, Upsert)}
    assert ("z new.md" in named) == bool(world.items)
    if connector.lists_everything:
        assert named >= set(world.items)


def test_what_is_not_there_is_not_found(connector: Connector) -> None:
    with pytest.raises(NotFound):
        connector.fetch("no such item")


def test_memberships_are_of_written_principals(connector: Connector) -> None:
    for membership in connector.memberships():
        assert principal_name(membership.group, kind="group") == membership.group
        assert principal_name(membership.member) == membership.member
