"""Every store of ``files`` on a real server: the contract of connectors, and what is the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import CHECKS, Check, World, name_of
from connectors.files.connector import FilesConnector
from connectors.registry import make_connector
from tests.connectors.files.places import PLACES
from tests.connectors.files.stores import DOOR, Place
from vouch.core.errors import BadConfig, DocumentRejected, NotFound
from vouch.core.types import AccessUnknown, Change, Checkpoint, RawClause, Refused, Upsert

ITEMS = {"a.md": b"# A\n", "sub/b c+\u00fc%~'().txt": "gr\u00fcn".encode(), "sub/deep/e.bin": b"\x00\x01"}


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    found = PLACES[request.param](tmp_path / "store")
    with found.stack:
        yield found


def world(place: Place) -> World:
    for name, data in ITEMS.items():
        place.put(name, data)
    place.put(".vouch.yaml", b"access: {allow: [group:hr], deny: [user:mallory]}\nowner: user:carol\n")
    return World({"store": place.store}, ITEMS, place.put, outbound=DOOR)


def scan(place: Place, **config: Any) -> dict[str, Change]:
    changes = list(make_connector("files", {"store": place.store, **config}, DOOR).scan(None))
    assert isinstance(changes[-1], Checkpoint)
    items = [c for c in changes if isinstance(c, Upsert | Refused)]
    assert len(items) == len(changes) - 1
    return {c.external_id: c for c in items}


def reasons(changes: dict[str, Change]) -> dict[str, str]:
    return {name: c.reason for name, c in changes.items() if isinstance(c, Refused)}


def acl(changes: dict[str, Change], name: str) -> Any:
    change = changes[name]
    assert isinstance(change, Upsert)
    return change.acl


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_it_keeps_the_contract(place: Place, check: Check) -> None:
    check(FilesConnector, world(place))


def test_rules_are_those_of_a_folder(place: Place) -> None:
    world(place)
    place.put("sub/.vouch.yaml", b"access: {allow: [group:board]}\nfiles: {gone.md: {owner: user:dave}}\n")
    place.put("open/.vouch.yaml", b"inherit: false\naccess: {allow: [authenticated]}\nreview_every: 90d\n")
    place.put("open/x.md", b"x")
    place.put("broken/.vouch.yaml", b"access: {alow: [group:hr]}\n")
    place.put("broken/below/.vouch.yaml", b"inherit: false\naccess: {allow: [authenticated]}\n")
    place.put("broken/below/x.md", b"x")
    place.put("misnamed/.Vouch.yaml", b"access: {deny: [authenticated]}\n")
    place.put("misnamed/x.md", b"x")
    place.put("large/.vouch.yaml", b"#" * (256 * 1024 + 1))
    place.put("large/x.md", b"x")
    place.put("odd/.vouch.yaml/inside.md", b"x")
    place.put("odd/x.md", b"x")
    found = scan(place)
    root = RawClause(("group:hr",), ("user:mallory",), ".vouch.yaml, line 1, access")
    assert acl(found, "a.md") == (root,)
    assert [clause.allow for clause in acl(found, "sub/deep/e.bin")] == [("group:hr",), ("group:board",)]
    assert [clause.allow for clause in acl(found, "open/x.md")] == [("authenticated",)]
    for closed in ("broken/below/x.md", "misnamed/x.md", "large/x.md", "odd/x.md"):
        assert isinstance(acl(found, closed), AccessUnknown), closed
    assert reasons(found) == {"sub/gone.md": "missing"}
    told = found["open/x.md"]
    assert isinstance(told, Upsert) and told.owner == "user:carol" and told.review_every == "90d"


def test_without_rules_nobody_may_read_and_declared_clauses_cannot_be_dropped_from_inside(place: Place) -> None:
    place.put("a.md", b"a")
    place.put("in/.vouch.yaml", b"access: {allow: [group:board]}\n")
    place.put("in/b.md", b"b")
    place.put("afresh/.vouch.yaml", b"inherit: false\naccess: {allow: [authenticated]}\n")
    place.put("afresh/c.md", b"c")
    place.put("shut/.vouch.yaml", b"inherit: false\n")
    place.put("shut/d.md", b"d")
    assert acl(scan(place), "a.md") is None
    found = scan(place, access=[{"allow": ["group:staff"], "deny": ["user:mallory"]}])
    declared = RawClause(("group:staff",), ("user:mallory",), "config.access")
    assert acl(found, "a.md") == (declared,)
    for name, allow in (("in/b.md", ("group:board",)), ("afresh/c.md", ("authenticated",))):
        first, second = acl(found, name)
        assert first == declared and second.allow == allow
    assert acl(found, "shut/d.md") is None


def test_what_is_wanted_hidden_and_too_large(place: Place) -> None:
    for name in ("a.md", "b.txt", ".git/config.md", "~$a.md", "archive/old/c.md", "big.md", "empty.md"):
        place.put(name, b"x" * (1 << 20 | 1) if name == "big.md" else b"" if name == "empty.md" else b"x")
    found = scan(place, include=["*.md"], exclude=["archive"], max_file_mb=1)
    assert set(found) == {"a.md", "big.md", "empty.md"} and reasons(found) == {"big.md": "too_large"}
    assert {".git/config.md", "~$a.md"} < set(scan(place, hidden=True))
    connector = make_connector("files", {"store": place.store, "exclude": ["archive"], "max_file_mb": 1}, DOOR)
    assert connector.fetch("empty.md").data == b""
    with pytest.raises(DocumentRejected) as refused:
        connector.fetch("big.md")
    assert refused.value.reason == "too_large"
    for hidden in ("archive/old/c.md", ".git/config.md", ".vouch.yaml"):
        with pytest.raises(NotFound):
            connector.fetch(hidden)


def test_a_change_changes_the_fingerprint_and_a_rule_does_not(place: Place) -> None:
    place.put("a.md", b"12345")
    place.put("b.md", b"1")
    before = scan(place)
    place.put("a.md", b"123456")
    place.put(".vouch.yaml", b"access: {allow: [authenticated]}\n")
    place.remove("b.md")
    after = scan(place)
    assert set(after) == {"a.md"}
    one, two = before["a.md"], after["a.md"]
    assert isinstance(one, Upsert) and isinstance(two, Upsert)
    assert one.fingerprint != two.fingerprint and one.acl is None and two.acl is not None
    place.put(".vouch.yaml", b"access: {allow: [group:hr]}\n")
    again = scan(place)["a.md"]
    assert isinstance(again, Upsert) and again.fingerprint == two.fingerprint and again.acl != two.acl


def test_what_went_since_the_scan_is_not_found_and_what_changed_is_read_as_it_is(place: Place) -> None:
    place.put("a.md", b"old")
    place.put("b.md", b"b")
    connector = make_connector("files", {"store": place.store}, DOOR)
    assert len(list(connector.scan(None))) == 3
    place.put("a.md", b"new")
    place.remove("b.md")
    assert connector.fetch("a.md").data == b"new"
    with pytest.raises(NotFound):
        connector.fetch("b.md")


def test_more_than_may_be_fails_the_scan(place: Place) -> None:
    for n in range(4):
        place.put(f"{n}.md", b"x")
    with pytest.raises(BadConfig) as refused:
        scan(place, max_files=3)
    assert refused.value.field == "config.max_files"


@pytest.mark.parametrize("external_id", ["../a.md", "/etc/passwd", "sub/../a.md", "./a.md", "sub//x", "a.md/", "a\\b",
                                         "a.md\x00", "\udcff.md", "sub", "a.md/x", ""])  # fmt: skip
def test_a_fetch_never_leaves_the_root(place: Place, external_id: str) -> None:
    place.put("a.md", b"x")
    place.put("sub/x.md", b"x")
    with pytest.raises((NotFound, DocumentRejected)):
        make_connector("files", {"store": place.store}, DOOR).fetch(external_id)
