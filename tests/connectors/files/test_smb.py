"""Shares behind SMB: who logs in, answers that were changed on the way, links, and a host that lies or breaks off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impacket import nt_errors, smb3structs, smbserver

from connectors.files import smb
from connectors.registry import make_connector
from tests.connectors.files.shares import Rewrite, between, share
from tests.connectors.files.stores import DOOR, Place
from tests.connectors.files.test_stores import acl, reasons, scan
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import AccessUnknown, Upsert

LINK, FOLDER = 0x400, 0x10


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Place, Any]]:
    place, server = share(tmp_path / "store")
    with place.stack:
        place.put("a.md", b"a")
        yield place, server


@pytest.fixture
def place(both: tuple[Place, Any]) -> Place:
    return both[0]


@pytest.fixture
def server(both: tuple[Place, Any]) -> Any:
    return both[1]


def changed(place: Place, **store: Any) -> Place:
    return Place({**place.store, **store}, place.put, place.remove)


def fetch(place: Place, path: str) -> bytes:
    return make_connector("files", {"store": place.store}, DOOR).fetch(path).data


def answering(server: Any, command: int, status: int, when: Callable[[str], bool] = lambda name: True) -> None:
    """Refuse a command on what has a name (of a create), and leave the rest to the server."""

    def answer(id: Any, made: Any, packet: Any) -> Any:
        if command == smb3structs.SMB2_CREATE:
            asked = smb3structs.SMB2Create(packet["Data"])
            if not when(asked["Buffer"][: asked["NameLength"]].decode("utf-16le")):
                return original(id, made, packet)
        return [smb3structs.SMB2Error()], None, status

    original = server.hookSmb2Command(command, answer)


def marking(server: Any, monkeypatch: pytest.MonkeyPatch, links: set[str], attribute: int = LINK) -> None:
    """Say of what is called so that it is a link: in a listing, and to whoever opens it."""
    listed = smbserver.findFirst2

    def find(*args: Any, **more: Any) -> Any:
        found, count, status = listed(*args, **more)
        for item in found:
            if item["FileName"].decode("utf-16le") in links:
                item["ExtFileAttributes"] |= attribute
        return found, count, status

    def opened(id: Any, made: Any, packet: Any) -> Any:
        asked = smb3structs.SMB2Create(packet["Data"])
        name = asked["Buffer"][: asked["NameLength"]].decode("utf-16le")
        answers, packets, status = original(id, made, packet)
        if status == 0 and name.rpartition("\\")[2] in links:
            answers[0]["FileAttributes"] |= attribute
        return answers, packets, status

    monkeypatch.setattr(smbserver, "findFirst2", find)
    original = server.hookSmb2Command(smb3structs.SMB2_CREATE, opened)


# -- who logs in --


def test_a_login_that_is_refused_is_told_and_no_secret_repeated(place: Place) -> None:
    for store in ({"password": "wrong-horse"}, {"user": "somebody"}):
        with pytest.raises(BadConfig) as refused:
            scan(changed(place, **store))
        assert refused.value.field == "config.store.user"
        assert "wrong-horse" not in str(refused.value.problem())
    assert set(scan(changed(place, domain="WORKGROUP"))) == {"a.md"}


def test_a_host_that_lets_everybody_in_as_a_guest_is_not_believed(tmp_path: Path) -> None:
    place, _ = share(tmp_path / "store", guests=True)
    with place.stack, pytest.raises(BadConfig) as refused:
        scan(place)
    assert refused.value.field == "config.store.user" and "guest" in refused.value.detail


def test_a_share_or_folder_that_is_not_there_is_told(place: Place, server: Any) -> None:
    for store, field in (({"share": "OTHER"}, "share"), ({"path": "nothing"}, "path"), ({"path": "a.md"}, "path")):
        with pytest.raises(BadConfig) as refused:
            scan(changed(place, **store))
        assert refused.value.field == f"config.store.{field}"


def test_a_folder_of_the_share_is_the_root(tmp_path: Path) -> None:
    place, _ = share(tmp_path / "store", "teams/h r")
    with place.stack:
        place.put("sub/\u00fc.md", b"x" * 200_000)  # more than one answer holds
        found = scan(place)
        assert set(found) == {"sub/\u00fc.md"} and fetch(place, "sub/\u00fc.md") == b"x" * 200_000
        told = found["sub/\u00fc.md"]
        assert isinstance(told, Upsert) and told.modified_at is not None
        assert told.uri == f"smb://127.0.0.1:{place.store['port']}/DOCS/teams/h%20r/sub/%C3%BC.md"


def test_a_share_that_is_spread_by_dfs_is_not_followed(place: Place, server: Any) -> None:
    def connected(id: Any, made: Any, packet: Any) -> Any:
        answers, packets, status = original(id, made, packet)
        packets[0]["Data"]["Capabilities"] = 0x8
        made.signSMBv2(packets[0], made.getConnectionData(id)["SigningSessionKey"])
        return answers, packets, status

    original = server.hookSmb2Command(smb3structs.SMB2_TREE_CONNECT, connected)
    with pytest.raises(BadConfig) as refused:
        scan(place)
    assert refused.value.field == "config.store.share"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"host": "10.0.0.1"}, "host"),
        ({"host": "a@b"}, "host"),
        ({"host": "h/x"}, "host"),
        ({"host": "0x7f.1"}, "host"),
        ({"share": "a\\b"}, "share"),
        ({"share": ""}, "share"),
        ({"path": "a/../b"}, "path"),
        ({"path": "a\\b"}, "path"),
        ({"user": "DOMAIN\\reader"}, "user"),
        ({"password": None}, "password"),
        ({"port": 0}, "port"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    store = {"type": "smb", "host": "files.example.org", "share": "docs", "user": "reader",
             "password": "do not repeat", **wrong}  # fmt: skip
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": store})
    assert refused.value.field == f"config.store.{field}"
    assert "do not repeat" not in str(refused.value.problem())


# -- what somebody on the way may do --


def _unsigned(message: bytearray) -> bytearray:
    """Without the flag that says it is signed, and without the signature: as if it had never been."""
    message[16] &= ~0x08
    message[48:64] = bytes(16)
    return message


def _of_the_file(rewrite: Rewrite) -> Rewrite:
    def change(message: bytearray) -> bytearray:
        return rewrite(message) if int.from_bytes(message[12:14], "little") == smb3structs.SMB2_READ else message

    return change


def _tampered(message: bytearray) -> bytearray:
    return bytearray(message.replace(b"group:hr", b"group:xx"))


@pytest.mark.parametrize(
    "rewrite",
    [
        _of_the_file(lambda message: _tampered(_unsigned(message))),
        _of_the_file(_unsigned),
        _tampered,
        lambda message: message[:-5],
        lambda message: bytearray(b"\xfeSMB" + bytes(9)),
        lambda message: bytearray(b""),
    ],
    ids=["changed and unsigned", "unsigned", "changed", "cut off", "no message", "nothing"],
)
def test_an_answer_that_was_changed_on_the_way_is_no_answer(
    place: Place, rewrite: Rewrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put(".vouch.yaml", b"access: {allow: [group:hr]}\n")
    with between(int(str(place.store["port"])), lambda message: message) as port:
        assert acl(scan(changed(place, port=port)), "a.md")[0].allow == ("group:hr",)
    monkeypatch.setattr(smb, "_STEP_S", 2.0)
    monkeypatch.setattr(smb, "_READ_S", 2.0)
    with between(int(str(place.store["port"])), rewrite) as port, pytest.raises(Unavailable):
        scan(changed(place, port=port))


@contextmanager
def saying(say: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a host that is no SMB server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                say(connection)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_host_that_is_silent_or_floods_or_trickles_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smb, "_STEP_S", 1.0)
    store = {"type": "smb", "host": "127.0.0.1", "share": "docs", "user": "reader", "password": "x"}

    def trickle(connection: socket.socket) -> None:
        connection.sendall((1 << 20).to_bytes(4, "big"))
        while True:
            try:
                connection.sendall(b"x")
            except OSError:
                return

    for say in (
        lambda connection: connection.recv(1 << 16) and connection.recv(1 << 16),  # until it is left
        lambda connection: connection.sendall(b"\xff\xff\xff\xff" + bytes(100)),
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        trickle,
    ):
        with saying(say) as port, pytest.raises(Unavailable):
            list(make_connector("files", {"store": {**store, "port": port}}, DOOR).scan(None))
    with pytest.raises(Unavailable):  # and now nobody listens there
        list(make_connector("files", {"store": {**store, "port": port}}, DOOR).scan(None))


# -- what lies there --


def test_names_that_cannot_be_asked_for_are_refused(place: Place) -> None:
    assert place.folder is not None
    for name in ("line\nbreak.md", "back\\slash.md", "a.md:stream", "any*.md", "who?.md"):
        (place.folder / name).write_text("x")
    found = scan(place)
    assert set(found) - set(reasons(found)) == {"a.md"} and set(reasons(found).values()) == {"unreadable_name"}
    assert len(found) == 6
    for name in ("a.md:stream", "*.md", "a.m?", "a.md::$DATA"):
        with pytest.raises(NotFound):
            fetch(place, name)


def test_links_are_refused_and_not_followed(place: Place, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("link.md", "joined/a.md", "sub/b.md", "sub/joined/c.md"):
        place.put(name, b"x")
    assert fetch(place, "sub/joined/c.md") == b"x"
    marking(server, monkeypatch, {"link.md", "joined"})
    found = scan(place)
    assert set(found) - set(reasons(found)) == {"a.md", "sub/b.md"}
    assert reasons(found) == {"link.md": "symlink", "joined": "symlink", "sub/joined": "symlink"}
    for name in ("link.md", "joined/a.md", "sub/joined/c.md"):
        with pytest.raises(DocumentRejected):
            fetch(place, name)


def test_rules_that_are_a_link_close_their_folder(place: Place, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put("hr/.vouch.yaml", b"access: {allow: [authenticated]}\n")
    place.put("hr/a.md", b"x")
    marking(server, monkeypatch, {".vouch.yaml"})
    assert isinstance(acl(scan(place, access=[{"allow": ["authenticated"]}]), "hr/a.md"), AccessUnknown)


def test_a_listing_comes_in_pages_and_one_without_an_end_ends(place: Place, server: Any) -> None:
    names = {f"{'n' * 100}{n}.md" for n in range(300)}
    for name in names:
        place.put(name, b"x")
    assert set(scan(place)) == {"a.md", *names}

    def again(id: Any, made: Any, packet: Any) -> Any:
        for opened in made.getConnectionData(id)["OpenedFiles"].values():
            opened["Open"]["EnumerationLocation"] = 0
        return original(id, made, packet)

    original = server.hookSmb2Command(smb3structs.SMB2_QUERY_DIRECTORY, again)
    with pytest.raises(BadConfig) as refused:
        scan(place, max_files=500)
    assert refused.value.field == "config.max_files"
    for name in names:
        place.remove(name)
    place.remove("a.md")
    with pytest.raises(Unavailable):  # a folder and the one above, again and again
        scan(place)


# -- a host that refuses --


def test_a_folder_that_may_not_be_listed_is_refused_and_one_that_fails_fails_the_scan(
    place: Place, server: Any
) -> None:
    place.put("private/b.md", b"x")
    answering(server, smb3structs.SMB2_CREATE, nt_errors.STATUS_ACCESS_DENIED, lambda name: "private" in name)
    found = scan(place)
    assert set(found) == {"a.md", "private/"} and reasons(found) == {"private/": "unreadable"}
    answering(server, smb3structs.SMB2_QUERY_DIRECTORY, 0xC000009A)
    with pytest.raises(Unavailable):
        scan(place)
    answering(server, smb3structs.SMB2_QUERY_DIRECTORY, nt_errors.STATUS_ACCESS_DENIED)
    with pytest.raises(BadConfig) as refused:
        scan(place)
    assert refused.value.field == "config.store.path"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (nt_errors.STATUS_ACCESS_DENIED, DocumentRejected),
        (0xC0000906, DocumentRejected),  # a virus in it
        (0xC0000043, Unavailable),  # somebody writes to it
        (0xC0000203, Unavailable),  # the session is gone
        (0xC0000034, NotFound),
        (0xC000003A, NotFound),
        (0xC0000056, NotFound),  # it is being deleted
    ],
)
def test_what_a_host_says_instead_of_a_file(place: Place, server: Any, status: int, error: type[Exception]) -> None:
    answering(server, smb3structs.SMB2_CREATE, status, lambda name: name == "a.md")
    with pytest.raises(error):
        fetch(place, "a.md")


def test_a_file_that_changes_while_it_is_read_is_read_later(place: Place, server: Any) -> None:
    assert place.folder is not None
    growing = place.folder / "a.md"

    def read(id: Any, made: Any, packet: Any) -> Any:
        with growing.open("ab") as more:
            more.write(b"more")
        return original(id, made, packet)

    original = server.hookSmb2Command(smb3structs.SMB2_READ, read)
    with pytest.raises(Unavailable):
        fetch(place, "a.md")
    with pytest.raises(NotFound):
        fetch(place, "gone.md")
