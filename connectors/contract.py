"""What every kind of connector keeps to, as checks that run in any test suite: this project's and that of a plugin.

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_it_keeps_the_contract(check: Check, tmp_path: Path) -> None:
        check(MyConnector, world(tmp_path))

Each check gets a world of its own, for some of them add to it. They raise AssertionError and need no test runner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from connectors.protocol import Connector
from connectors.registry import configured
from vouch.core.errors import BadConfig, NotFound
from vouch.core.types import (
    AccessUnknown,
    AclChanged,
    Checkpoint,
    Deleted,
    RawClause,
    Refused,
    Unreached,
    Upsert,
    principal_name,
)
from vouch.outbound.door import NOWHERE_PRIVATE, Outbound


@dataclass(frozen=True)
class World:
    """A source that holds ``items`` and nothing else, and that one can be added to; how it is configured.

    ``environ``: variables that have to be set while a check runs. ``added``: the name of the item that is added.
    ``outbound``: given to a kind that says ``goes_out``. ``close`` is for whoever made the world to call.
    """

    config: dict[str, Any]
    items: Mapping[str, bytes]
    add: Callable[[str, bytes], object]
    environ: Mapping[str, str] = field(default_factory=dict)
    added: str = "z new.md"
    outbound: Outbound = NOWHERE_PRIVATE
    close: Callable[[], None] = lambda: None


Check = Callable[[type[Connector], World], None]


def _made(kind: type[Connector], world: World) -> Connector:
    return configured(kind, world.config, world.outbound)


def the_class_says_what_it_is(kind: type[Connector], world: World) -> None:
    assert isinstance(kind.kind, str) and kind.kind.isidentifier() and kind.kind == kind.kind.lower()
    assert issubclass(kind.Config, BaseModel)
    assert isinstance(kind.lists_everything, bool)
    assert (kind.__doc__ or "").strip(), "the first line of the docstring is shown to whoever adds a source"
    schema = kind.Config.model_json_schema()
    assert schema.get("additionalProperties") is False, 'Config needs model_config = ConfigDict(extra="forbid")'
    json.dumps(schema)


def an_unknown_setting_is_refused_by_name(kind: type[Connector], world: World) -> None:
    try:
        configured(kind, {**world.config, "nonsense": 1}, world.outbound)
    except BadConfig as refused:
        assert refused.field == "config.nonsense", refused.field
    else:
        raise AssertionError("nothing was refused")


def a_scan_names_each_item_once_and_ends_with_a_checkpoint(kind: type[Connector], world: World) -> None:
    changes = list(_made(kind, world).scan(None))
    named = [change.external_id for change in changes if not isinstance(change, Checkpoint)]
    assert sorted(named) == sorted(world.items)
    if changes:
        assert isinstance(changes[-1], Checkpoint), "the last change is no checkpoint"
        assert json.loads(json.dumps(changes[-1].cursor)) == changes[-1].cursor


def changes_are_well_formed(kind: type[Connector], world: World) -> None:
    for change in _made(kind, world).scan(None):
        assert isinstance(change, Upsert | AclChanged | Deleted | Refused | Unreached | Checkpoint)
        if isinstance(change, Upsert):
            assert change.external_id and change.fingerprint and change.uri
            assert change.modified_at is None or change.modified_at.tzinfo is not None
            if not isinstance(change.acl, AccessUnknown):
                for clause in change.acl or ():
                    assert isinstance(clause, RawClause)
                    assert all(isinstance(entry, str) for entry in (*clause.allow, *clause.deny))


def everything_offered_can_be_fetched(kind: type[Connector], world: World) -> None:
    connector = _made(kind, world)
    for change in connector.scan(None):
        if isinstance(change, Upsert):
            body = connector.fetch(change.external_id)
            assert (body.data, body.mime) == (world.items[change.external_id], change.mime)


def scanning_changes_nothing(kind: type[Connector], world: World) -> None:
    connector = _made(kind, world)
    assert list(connector.scan(None)) == list(connector.scan(None))


def a_scan_goes_on_from_a_checkpoint(kind: type[Connector], world: World) -> None:
    connector = _made(kind, world)
    checkpoints = [change for change in connector.scan(None) if isinstance(change, Checkpoint)]
    world.add(world.added, b"new")
    cursor = checkpoints[-1].cursor if checkpoints else None
    named = {change.external_id for change in connector.scan(cursor) if isinstance(change, Upsert)}
    assert (world.added in named) == bool(world.items)
    if connector.lists_everything:
        assert named >= set(world.items), "lists_everything: what a scan leaves out is deleted"


def a_scan_that_was_interrupted_goes_on_from_any_checkpoint(kind: type[Connector], world: World) -> None:
    connector = _made(kind, world)
    before: set[str] = set()
    for change in connector.scan(None):
        if isinstance(change, Checkpoint):
            rest = {later.external_id for later in connector.scan(change.cursor) if isinstance(later, Upsert)}
            wanted = set(world.items) if connector.lists_everything else set(world.items) - before
            assert rest >= wanted, f"a scan from {change.cursor} leaves out {sorted(wanted - rest)}"
        elif isinstance(change, Upsert):
            before.add(change.external_id)


def what_is_not_there_is_not_found(kind: type[Connector], world: World) -> None:
    connector = _made(kind, world)
    for name in ("no such item", "../../etc/passwd", ""):
        try:
            connector.fetch(name)
        except NotFound:
            continue
        raise AssertionError(f"{name!r} was found")


def memberships_are_of_written_principals(kind: type[Connector], world: World) -> None:
    for membership in _made(kind, world).memberships():
        assert principal_name(membership.group, kind="group") == membership.group
        assert principal_name(membership.member) == membership.member


CHECKS: tuple[Check, ...] = (
    the_class_says_what_it_is,
    an_unknown_setting_is_refused_by_name,
    a_scan_names_each_item_once_and_ends_with_a_checkpoint,
    changes_are_well_formed,
    everything_offered_can_be_fetched,
    scanning_changes_nothing,
    a_scan_goes_on_from_a_checkpoint,
    a_scan_that_was_interrupted_goes_on_from_any_checkpoint,
    what_is_not_there_is_not_found,
    memberships_are_of_written_principals,
)


def name_of(check: Check) -> str:
    """What a check is called in a report."""
    return getattr(check, "__name__", repr(check))
