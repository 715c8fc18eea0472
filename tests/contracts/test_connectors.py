"""Every installed kind of connector keeps the contract. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from acl.groups import issuer_of, own_memberships
from connectors.atlassian import document
from connectors.contract import CHECKS, Check, World, name_of
from connectors.registry import configured, connector_kinds
from tests.connectors.api import LOOPBACK
from tests.connectors.confluence_cloud import cloud
from tests.connectors.jira_cloud import jira
from tests.connectors.repository import Repository
from tests.outbound.serving import Asked, Reply, serving
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound


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
    return World(config, items, add, added=more, outbound=door, close=stack.close)


def sql(folder: Path) -> World:
    file = folder / "crm.db"
    items = {"a": b"# A\n", "b c": "grün".encode(), "7": b"{} ' \" :x %s"}

    def add(name: str, data: bytes) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS note (name TEXT, text TEXT, at INTEGER, readers TEXT)")
            connection.execute("INSERT INTO note SELECT ?, ?, count(*), 'group:hr' FROM note", (name, data.decode()))

    for name, data in items.items():
        add(name, data)
    config = {
        "url_env": "VOUCH_SQL_CRM_URL", "query": "SELECT * FROM note", "key": ["name"], "body": "{text}",
        "cursor": "at", "access_column": "readers",
    }  # fmt: skip
    return World(config, items, add, {"VOUCH_SQL_CRM_URL": f"sqlite:///{file}"})


def confluence(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(cloud())

    def add(external_id: str, data: bytes) -> bytes:
        id = external_id.removeprefix("page/")
        made.put(id, ("user", "acc-2"), title="A", storage=f"<p>{data.decode()}</p>", parent=("page", "100"))
        return document("A", f"<p>{data.decode()}</p>").encode()

    items = {"page/101": add("page/101", "grün".encode()), "page/102": add("page/102", b"b")}
    made.put("100", title="A", storage="")
    made.attach("att7", "102", "x.bin.txt", b"\x00\x01")
    items |= {"page/100": document("A", "").encode(), "attachment/att7": b"\x00\x01"}
    return World(made.config, items, add, added="page/109", outbound=LOOPBACK, close=stack.close)


def issues(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(jira())

    def add(external_id: str, data: bytes) -> bytes:
        made.put(external_id.removeprefix("issue/"), data.decode(), summary="A", security="5", labels=[], status=None)
        return document(f"OPS-{external_id.removeprefix('issue/')} A", f"<p>{data.decode()}</p>").encode()

    items = {f"issue/{n}": add(f"issue/{n}", text.encode()) for n, text in enumerate(("a", "grün", "c"), 10)}
    return World(made.config, items, add, added="issue/19", outbound=LOOPBACK, close=stack.close)


WORLDS = {
    "confluence": confluence,
    "filesystem": filesystem,
    "git": git,
    "jira": issues,
    "push": push,
    "sql": sql,
    "web": web,
}


@pytest.fixture(params=sorted(WORLDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = WORLDS[kind](tmp_path)
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


def test_every_installed_kind_is_under_this_contract() -> None:
    assert set(connector_kinds()) == set(WORLDS)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_it_keeps_the_contract(kind: str, world: World, check: Check) -> None:
    check(connector_kinds()[kind], world)


def test_memberships_are_in_groups_of_its_own(kind: str, world: World) -> None:
    told = [
        (found.group, found.member)
        for found in configured(connector_kinds()[kind], world.config, world.outbound).memberships()
    ]
    assert len(own_memberships(told, issuer_of(world.config))) == len(set(told))
