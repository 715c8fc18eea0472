"""Folders behind SSH: who the host is, who logs in, links that lead away, and a host that lies or breaks off."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from connectors.registry import make_connector
from tests.connectors.files import stores
from tests.connectors.files.stores import DOOR, Place, client_key, host_key
from tests.connectors.files.test_stores import acl, reasons, scan
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import AccessUnknown

OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
OTHER_KIND = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = stores.sftp(tmp_path / "store")
    with found.stack:
        found.put("a.md", b"a")
        yield found


@contextmanager
def served(folder: Path, server: type[asyncssh.SFTPServer]) -> Iterator[Place]:
    found = stores.sftp(folder / "store", server)
    with found.stack:
        yield found


def changed(place: Place, **store: Any) -> Place:
    return Place({**place.store, **store}, place.put, place.remove)


# -- who the host is, and who logs in --


@pytest.mark.parametrize("keys", [[OTHER_KEY], [OTHER_KIND], [OTHER_KEY, OTHER_KIND]])
def test_a_host_that_shows_another_key_is_told_nothing(
    place: Place, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[str] = []
    monkeypatch.setattr(stores._Login, "begin_auth", lambda self, username: met.append(username) or True)
    with pytest.raises(BadConfig) as refused:
        scan(changed(place, host_keys=keys))
    assert refused.value.field == "config.store.host_keys" and met == []
    assert set(scan(changed(place, host_keys=[*keys, host_key().export_public_key().decode()]))) == {"a.md"}
    assert met == ["reader"]


def test_a_login_that_is_refused_is_told_and_no_secret_repeated(place: Place) -> None:
    for store in ({"password": "wrong-horse"}, {"user": "somebody"}):
        with pytest.raises(BadConfig) as refused:
            scan(changed(place, **store))
        assert refused.value.field == "config.store.user"
        assert "wrong-horse" not in str(refused.value.problem())


def test_a_private_key_logs_in(place: Place) -> None:
    plain = client_key().export_private_key().decode()
    assert set(scan(changed(place, password=None, private_key=plain))) == {"a.md"}
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(BadConfig):
        scan(changed(place, password=None, private_key=other))
    locked = client_key().export_private_key("pkcs8-pem", passphrase="of the key").decode()
    for broken in (locked, plain[:-60], "no key"):
        with pytest.raises(BadConfig) as refused:
            make_connector("files", {"store": {**place.store, "password": None, "private_key": broken}}, DOOR)
        assert refused.value.field == "config.store.private_key"
        assert plain[40:80] not in str(refused.value.problem())


def test_nothing_of_the_account_that_it_runs_under_is_used(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True)
    ran = tmp_path / "ran"
    (ssh / "config").write_text(f"Host *\n ProxyCommand touch {ran}\n PreferredAuthentications hostbased\n")
    (ssh / "known_hosts").write_text(f"* {OTHER_KEY}\n")
    client_key().write_private_key(str(ssh / "id_ed25519"))
    agent = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(agent))
        listening.listen()
        listening.setblocking(False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        assert set(scan(place)) == {"a.md"}
        with pytest.raises(BadConfig):  # the key in the account's folder would have been let in
            scan(changed(place, password="wrong"))
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not ran.exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"host_keys": []}, "host_keys"),
        ({"host_keys": None}, "host_keys"),
        ({"host_keys": ["ssh-ed25519 nonsense"]}, "host_keys.0"),
        ({"host_keys": [OTHER_KEY, "SHA256:abc"]}, "host_keys.1"),
        ({"host": "10.0.0.1"}, "host"),
        ({"host": "a@b"}, "host"),
        ({"host": "h#x", "port": 443}, "host"),
        ({"host": "h/x"}, "host"),
        ({"host": "0x7f.1"}, "host"),
        ({"path": "srv"}, "path"),
        ({"path": "/srv/../etc"}, "path"),
        ({"password": None}, "sftp"),
        ({"private_key": "both"}, "sftp"),
        ({"port": 0}, "port"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    store = {"type": "sftp", "host": "files.example.org", "path": "/srv", "host_keys": [OTHER_KEY], "user": "reader",
             "password": "do not repeat", **wrong}  # fmt: skip
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": store})
    assert refused.value.field == f"config.store.{field}"
    assert "do not repeat" not in str(refused.value.problem())


def test_a_folder_that_is_not_there_is_told(place: Place) -> None:
    for path in ("/nothing", "/srv/a.md"):
        with pytest.raises(BadConfig) as refused:
            scan(changed(place, path=path))
        assert refused.value.field == "config.store.path"


# -- what lies there --


def test_links_and_special_files_are_refused_and_odd_names_too(place: Place) -> None:
    assert place.folder is not None
    root = place.folder
    (root.parent / "outside.md").write_text("a secret outside")
    (root / "out.md").symlink_to("../outside.md")
    (root / "in.md").symlink_to("a.md")
    (root / "up").symlink_to("..", target_is_directory=True)
    (root / ".hidden-link").symlink_to("a.md")
    os.mkfifo(root / "pipe")
    (root / "line\nbreak.md").write_text("x")
    (root / "back\\slash.md").write_text("x")
    os.close(os.open(os.fsencode(root) + b"/bad\xff.md", os.O_CREAT | os.O_WRONLY))
    found = scan(place)
    assert set(found) - set(reasons(found)) == {"a.md"}
    assert sorted(reasons(found).values()) == ["not_a_file"] + ["symlink"] * 3 + ["unreadable_name"] * 3
    connector = make_connector("files", {"store": place.store}, DOOR)
    for name in ("out.md", "in.md", "up/outside.md", "up/srv/a.md", "pipe"):
        with pytest.raises(DocumentRejected):
            connector.fetch(name)


def test_rules_that_are_a_link_close_their_folder(place: Place) -> None:
    assert place.folder is not None
    place.put("shared.yaml", b"access: {allow: [authenticated]}\n")
    place.put("hr/a.md", b"x")
    (place.folder / "hr" / ".vouch.yaml").symlink_to("../shared.yaml")
    assert isinstance(acl(scan(place, access=[{"allow": ["authenticated"]}]), "hr/a.md"), AccessUnknown)


def test_a_folder_swapped_for_a_link_after_the_scan_is_not_followed(place: Place) -> None:
    assert place.folder is not None
    (place.folder.parent / "outside.md").write_text("a secret outside")
    place.put("sub/outside.md", b"inside")
    connector = make_connector("files", {"store": place.store}, DOOR)
    assert connector.fetch("sub/outside.md").data == b"inside"
    place.remove("sub/outside.md")
    (place.folder / "sub").rmdir()
    (place.folder / "sub").symlink_to("..", target_is_directory=True)
    with pytest.raises(DocumentRejected):
        connector.fetch("sub/outside.md")


def test_a_root_that_is_a_link_is_where_it_leads(place: Place) -> None:
    assert place.folder is not None
    (place.folder.parent / "current").symlink_to("srv", target_is_directory=True)
    there = changed(place, path="/current")
    assert set(scan(there)) == {"a.md"}
    assert make_connector("files", {"store": there.store}, DOOR).fetch("a.md").data == b"a"


# -- a host that fails --


def _named(name: bytes, kind: int = stat.S_IFREG) -> asyncssh.SFTPName:
    return asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs(permissions=kind | 0o644, size=1, atime=1, mtime=1))


class Hiding(asyncssh.SFTPServer):
    """May not list one folder; breaks off in another."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if path.endswith(b"/private"):
            raise asyncssh.SFTPPermissionDenied("no")
        if path.endswith(b"/failing"):
            raise asyncssh.SFTPFailure("the disk is broken")
        async for name in super().scandir(path):
            yield name


def test_a_folder_that_may_not_be_listed_is_refused_and_one_that_fails_fails_the_scan(tmp_path: Path) -> None:
    with served(tmp_path, Hiding) as place:
        place.put("private/a.md", b"x")
        place.put("b.md", b"x")
        found = scan(place)
        assert set(found) == {"b.md", "private/"} and reasons(found) == {"private/": "unreadable"}
        place.put("failing/c.md", b"x")
        with pytest.raises(Unavailable):
            scan(place)
        with pytest.raises(BadConfig):
            scan(changed(place, path="/srv/private"))


class Endless(asyncssh.SFTPServer):
    """A folder without an end, in which each folder holds itself."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        n = 0
        while True:
            n += 1
            yield _named(f"{n}.md".encode())


class Deeper(asyncssh.SFTPServer):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield _named(b"d", stat.S_IFDIR)

    def realpath(self, path: bytes) -> bytes:
        return path

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return _named(b"d", stat.S_IFDIR).attrs


class Escaping(asyncssh.SFTPServer):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield _named(b"../../etc/passwd")


class Breaking(asyncssh.SFTPServer):
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield _named(b"a.md")
        self.channel.get_connection().abort()


def test_a_listing_without_an_end_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.files.sftp.MANY", 100)
    with served(tmp_path, Endless) as place, pytest.raises(BadConfig) as refused:
        scan(place, max_files=250)
    assert refused.value.field == "config.max_files"
    with served(tmp_path, Deeper) as place:
        assert list(reasons(scan(place)).values()) == ["too_deep"]


@pytest.mark.parametrize("server", [Escaping, Breaking])
def test_a_listing_that_lies_or_breaks_off_fails_the_scan(tmp_path: Path, server: type[asyncssh.SFTPServer]) -> None:
    with served(tmp_path, server) as place, pytest.raises(Unavailable):
        scan(place)


class Growing(asyncssh.SFTPServer):
    """A file that is written to while it is read, one that is shorter than it says, and one that may not be read."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if path.endswith(b"denied.md"):
            raise asyncssh.SFTPPermissionDenied("no")
        return super().open(path, pflags, attrs)

    def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        name = Path(os.fsdecode(file_obj.name))
        if name.name == "growing.md":
            with name.open("ab") as more:
                more.write(b"more")
        return super().read(file_obj, offset, size)

    def fstat(self, file_obj: Any) -> asyncssh.SFTPAttrs:
        found = asyncssh.SFTPAttrs.from_local(super().fstat(file_obj))
        if file_obj.name.endswith(b"short.md"):
            found.size = 1000
        return found


def test_a_file_that_changes_while_it_is_read_is_read_later(tmp_path: Path) -> None:
    with served(tmp_path, Growing) as place:
        for name in ("growing.md", "short.md", "denied.md", "good.md"):
            place.put(name, b"x" * 10)
        connector = make_connector("files", {"store": place.store}, DOOR)
        assert connector.fetch("good.md").data == b"x" * 10
        for name in ("growing.md", "short.md"):
            with pytest.raises(Unavailable):
                connector.fetch(name)
        with pytest.raises(DocumentRejected):
            connector.fetch("denied.md")
        with pytest.raises(NotFound):
            connector.fetch("nothing.md")


def test_a_host_that_is_silent_or_no_ssh_server_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.files.sftp._STEP_S", 0.2)
    store = {"type": "sftp", "host": "127.0.0.1", "path": "/srv", "host_keys": [OTHER_KEY], "user": "reader",
             "password": "x"}  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        list(make_connector("files", {"store": {**store, "port": silent.getsockname()[1]}}, DOOR).scan(None))
    with pytest.raises(Unavailable):  # and now nobody listens there
        list(make_connector("files", {"store": {**store, "port": silent.fileno() + 2}}, DOOR).scan(None))
