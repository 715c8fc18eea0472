"""Every installed kind of connector keeps the contract. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from acl.groups import issuer_of, own_memberships
from connectors.contract import CHECKS, Check, World, name_of
from connectors.registry import configured, connector_kinds
from tests.connectors.api import LOOPBACK
from tests.connectors.hub import TOKEN, hub
from tests.connectors.lab import GUEST, REPORTER, lab
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


def github(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(hub())
    repo = made.repo(7, "acme/handbook", collaborators={1: True})
    made.push(repo, {"a.md": b"# A\n", "sub/b c.txt": "grün".encode()})
    made.issue(repo, 3, "Leave", "How many days?")
    items = {"7/files/a.md": b"# A\n", "7/files/sub/b c.txt": "grün".encode()}
    items["7/issues/3"] = b"# Leave\n\nIssue 3, open, opened by login1 on 2026-11-02.\n\nHow many days?\n"
    config = {
        "base": made.api.url, "token": TOKEN, "repositories": ["acme/handbook"], "issuer": "github",
        "people": {"named": {"1": "user:carol"}},
    }  # fmt: skip

    def add(name: str, data: bytes) -> None:
        made.push(repo, {name.removeprefix("7/files/"): data})

    return World(config, items, add, added="7/files/z new.md", outbound=LOOPBACK, close=stack.close)


def gitlab(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(lab())
    project = made.project(7, "acme/handbook", members={1: GUEST, 2: REPORTER})
    made.push(project, {"a.md": b"# A\n", "sub/b c.txt": "grün".encode()})
    made.issue(project, 3, "Leave", "How many days?")
    project.wiki["rooms/big hall"] = "It is big."
    items = {"7/files/a.md": b"# A\n", "7/files/sub/b c.txt": "grün".encode(), "7/wiki/rooms/big hall": b"It is big."}
    items["7/issues/3"] = b"# Leave\n\nIssue 3, opened, opened by login1 on 2026-11-02.\n\nHow many days?\n"
    config = {
        "base": made.api.url, "token": TOKEN, "projects": ["acme/handbook"], "issuer": "gitlab",
        "people": {"named": {"1": "user:carol"}},
    }  # fmt: skip

    def add(name: str, data: bytes) -> None:
        made.push(project, {name.removeprefix("7/files/"): data})

    return World(config, items, add, added="7/files/z new.md", outbound=LOOPBACK, close=stack.close)


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


WORLDS = {
    "filesystem": filesystem,
    "git": git,
    "github": github,
    "gitlab": gitlab,
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
