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
from tests.connectors.google import google, user
from tests.connectors.notion import notion as serving_notion
from tests.connectors.notion import uid
from tests.connectors.repository import Repository
from tests.connectors.sharepoint import DRIVE, group, guid
from tests.connectors.sharepoint import sharepoint as serving_sharepoint
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


def google_drive(folder: Path) -> World:
    stack = ExitStack()
    drive = stack.enter_context(google())
    items = {"a": b"# A\n", "b_-7": "grün".encode(), "deep": b"\x00\x01"}

    def add(id: str, data: bytes) -> None:
        drive.put(id, data, parents=["f"])
        drive.share(id, user("carol"))

    drive.folder("f")
    for id, data in items.items():
        add(id, data)
    drive.employ("101", "carol")
    drive.assemble("g1", "staff", ("USER", "101"))
    config = drive.config(**drive.directory(), people={"named": {"carol@example.org": "user:carol"}})
    return World(config, items, add, added="znew", outbound=LOOPBACK, close=stack.close)


def sharepoint(folder: Path) -> World:
    stack = ExitStack()
    site = stack.enter_context(serving_sharepoint())
    items = {f"{DRIVE}/a": b"# A\n", f"{DRIVE}/b_-7": "grün".encode(), f"{DRIVE}/deep": b"\x00\x01"}

    def add(external_id: str, data: bytes) -> None:
        site.put(external_id.removeprefix(f"{DRIVE}/"), data, parent="f")

    site.folder("f")
    site.share("f", group(2))
    for external_id, data in items.items():
        add(external_id, data)
    site.users.append({"id": guid(1), "userPrincipalName": "carol@example.org", "accountEnabled": True})
    site.groups[guid(2)] = [{"id": guid(1)}]
    config = site.config(people={"issuer": "entra"})
    return World(config, items, add, added=f"{DRIVE}/znew", outbound=LOOPBACK, close=stack.close)


def notion(folder: Path) -> World:
    stack = ExitStack()
    space = stack.enter_context(serving_notion())
    names = {uid(name): name for name in ("a", "b", "znew")}
    space.database("d", sources=("rows",))

    def add(external_id: str, data: bytes) -> None:
        space.row(names[external_id], "rows", data.decode())

    items = {
        f"database/{uid('d')}": b"# d\n\n- rows\n",
        uid("a"): b"# a\n\nText.\n",
        uid("b"): "# b\n\ngrün\n".encode(),
    }
    add(uid("a"), b"Text.")
    add(uid("b"), "grün".encode())
    return World(space.config("d"), items, add, added=uid("znew"), outbound=LOOPBACK, close=stack.close)


WORLDS = {
    "filesystem": filesystem,
    "git": git,
    "google_drive": google_drive,
    "notion": notion,
    "push": push,
    "sharepoint": sharepoint,
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
