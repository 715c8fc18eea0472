"""Every installed kind of connector keeps the contract. A new kind adds one line to ``WORLDS``; nothing is skipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from acl.groups import issuer_of, own_memberships
from connectors.atlassian.text import document
from connectors.contract import CHECKS, Check, World, name_of
from connectors.registry import configured, connector_kinds
from tests.connectors.api import LOOPBACK
from tests.connectors.confluence.cloud import cloud
from tests.connectors.files.stores import DOOR, s3
from tests.connectors.git.repository import Repository
from tests.connectors.github.hub import TOKEN, hub
from tests.connectors.gitlab.lab import GUEST, REPORTER, lab
from tests.connectors.google_drive.google import google, user
from tests.connectors.imap.mailbox import door, mail, mailbox
from tests.connectors.jira.cloud import jira
from tests.connectors.notion.workspace import notion as serving_notion
from tests.connectors.notion.workspace import uid
from tests.connectors.sharepoint.tenant import DRIVE, group, guid
from tests.connectors.sharepoint.tenant import sharepoint as serving_sharepoint
from tests.connectors.slack.chat import chat
from tests.outbound.serving import Asked, Reply, serving
from vouch.core import clock
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


def imap(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(mailbox())
    texts = {f: mail(f, "grün") for f in ("INBOX", "Sent", "Projects/2024")}
    items = {made.put(f, data): data for f, data in texts.items()}
    first = next(iter(items))
    added = f"{first.partition('/')[0]}/{int(first.partition('/')[2].removesuffix('.eml')) + 1}.eml"
    return World(
        made.config(), items, lambda name, data: made.put("INBOX", data), added=added, outbound=door(),
        close=stack.close,
    )  # fmt: skip


def slack(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(chat())
    yesterday = (clock.now() - timedelta(days=1)).date().isoformat()

    def add(name: str, data: bytes) -> None:
        channel, _, day = name.partition("/")
        made.say(channel, f"{day} 08:00", data.decode())

    root = made.say("C0GENERAL", "2024-05-01 09:00", "When?")
    made.reply("C0GENERAL", root, "2024-05-02 10:00", "grün")
    add("C0BOARD/2024-05-03", b"a & b")
    said = "**Alice Example**, 2024-05-01 09:00 UTC\n\nWhen?\n\n**Bob**, 2024-05-02 10:00 UTC\n\ngrün\n"
    items = {
        f"C0GENERAL/{root}": said.encode(),
        "C0BOARD/2024-05-03": b"**Alice Example**, 2024-05-03 08:00 UTC\n\na & b\n",
    }
    added = f"C0GENERAL/{yesterday}"
    return World(made.config(), items, add, added=added, outbound=LOOPBACK, close=stack.close)


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


def files(folder: Path) -> World:
    """In a bucket; tests/connectors/files/test_stores.py has the other stores."""
    place = s3(prefix="handbook/")
    items = {"a.md": b"# A\n", "sub/b c.txt": "grün".encode(), "sub/deep/e.bin": b"\x00\x01"}
    for name, data in items.items():
        place.put(name, data, Tagging="vouch-allow=group:hr")
    place.put(".vouch.yaml", b"access: {allow: [group:hr], deny: [user:mallory]}\nowner: user:carol\n")
    return World({"store": place.store, "object_tags": True}, items, place.put, outbound=DOOR)


def github(folder: Path) -> World:
    stack = ExitStack()
    made = stack.enter_context(hub())
    repo = made.repo(7, "acme/handbook", collaborators={1: True})
    made.push(repo, {"a.md": b"# A\n", "sub/b c.txt": "grün".encode()})
    made.issue(repo, 3, "Leave", "How many days?")
    made.write(repo, {"Big-Hall.md": b"It is big.", "sub/Gate.org": b"* Gate"})
    items = {"7/files/a.md": b"# A\n", "7/files/sub/b c.txt": "grün".encode()}
    items |= {"7/wiki/Big-Hall.md": b"It is big.", "7/wiki/sub/Gate.org": b"* Gate"}
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
    "confluence": confluence,
    "files": files,
    "filesystem": filesystem,
    "git": git,
    "github": github,
    "gitlab": gitlab,
    "google_drive": google_drive,
    "imap": imap,
    "jira": issues,
    "notion": notion,
    "push": push,
    "sharepoint": sharepoint,
    "slack": slack,
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
