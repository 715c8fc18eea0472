"""Every installed kind of connector keeps the contract. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connectors.contract import CHECKS, Check, World, name_of
from connectors.registry import connector_kinds
from tests.connectors.repository import Repository


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


WORLDS = {"filesystem": filesystem, "git": git, "push": push, "sql": sql}


def test_every_installed_kind_is_under_this_contract() -> None:
    assert set(connector_kinds()) == set(WORLDS)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_it_keeps_the_contract(kind: str, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = WORLDS[kind](tmp_path)
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    check(connector_kinds()[kind], world)
