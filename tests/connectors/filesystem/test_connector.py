"""The filesystem connector: what it offers, what it refuses, and that it never leaves its folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import make_connector
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable, UnknownField
from vouch.core.types import Change, Checkpoint, Refused, Upsert


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (tmp_path / "outside.md").write_text("a secret outside")
    return folder


def scan(root: Path, **config: Any) -> dict[str, Change]:
    changes = list(make_connector("filesystem", {"path": str(root), **config}).scan(None))
    assert isinstance(changes[-1], Checkpoint)
    items = [c for c in changes if isinstance(c, Upsert | Refused)]
    assert len(items) == len(changes) - 1
    return {c.external_id: c for c in items}


def reasons(changes: dict[str, Change]) -> dict[str, str]:
    return {name: c.reason for name, c in changes.items() if isinstance(c, Refused)}


def test_what_an_item_says_of_itself(root: Path) -> None:
    path = root / "a folder" / "Übersicht 2.md"
    path.parent.mkdir()
    path.write_text("hello")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    change = scan(root)["a folder/Übersicht 2.md"]
    assert isinstance(change, Upsert)
    assert change.fingerprint == "5-1700000000123456789"
    assert change.modified_at is not None and change.modified_at.replace(microsecond=0) == datetime(
        2023, 11, 14, 22, 13, 20, tzinfo=UTC
    )
    assert change.uri == path.as_uri()
    based = scan(root, base_url="https://files.example/docs/")["a folder/Übersicht 2.md"]
    assert isinstance(based, Upsert) and based.uri == "https://files.example/docs/a%20folder/%C3%9Cbersicht%202.md"


def test_rules_and_permissions_do_not_change_the_fingerprint_and_an_edit_does(root: Path) -> None:
    (root / "a.md").write_text("12345")
    before = scan(root)["a.md"]
    (root / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    (root / "a.md").chmod(0o600)
    after = scan(root)["a.md"]
    assert isinstance(before, Upsert) and isinstance(after, Upsert)
    assert before.fingerprint == after.fingerprint and before.acl != after.acl
    stamp = (root / "a.md").stat().st_mtime_ns
    (root / "a.md").write_text("54321")
    os.utime(root / "a.md", ns=(stamp, stamp + 1))
    edited = scan(root)["a.md"]
    assert isinstance(edited, Upsert) and edited.fingerprint != before.fingerprint


def test_links_sockets_pipes_and_odd_names_are_refused(root: Path) -> None:
    (root / "real.md").write_text("x")
    (root / "out.md").symlink_to(root.parent / "outside.md")
    (root / "in.md").symlink_to(root / "real.md")
    (root / "up").symlink_to(root.parent, target_is_directory=True)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    (root / "line\nbreak.md").write_text("x")
    (root / "spoof\u202egm.md").write_text("x")
    os.close(os.open(os.fsencode(root) + b"/bad\xff.md", os.O_CREAT | os.O_WRONLY))
    changes = scan(root)
    assert set(changes) - set(reasons(changes)) == {"real.md"}
    assert sorted(reasons(changes).values()) == ["not_a_file"] * 2 + ["symlink"] * 3 + ["unreadable_name"] * 3
    for name in changes:
        name.encode("utf-8")


@pytest.mark.parametrize(
    "external_id",
    ["../outside.md", "/etc/passwd", "sub/../../outside.md", "./real.md", "sub//x.md", "", "out.md", "up/outside.md",
     "real.md\x00", ".vouch.yaml", "sub/.hidden.md", "nothing.md", "real.md/x", "sub"],
)  # fmt: skip
def test_a_fetch_never_leaves_the_folder(root: Path, external_id: str) -> None:
    (root / "real.md").write_text("x")
    (root / "sub").mkdir()
    (root / "sub" / ".hidden.md").write_text("x")
    (root / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    (root / "out.md").symlink_to(root.parent / "outside.md")
    (root / "up").symlink_to(root.parent, target_is_directory=True)
    with pytest.raises((NotFound, DocumentRejected)):
        make_connector("filesystem", {"path": str(root)}).fetch(external_id)


def test_a_folder_swapped_for_a_link_after_the_scan_is_not_followed(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "outside.md").write_text("inside")
    connector = make_connector("filesystem", {"path": str(root)})
    assert connector.fetch("sub/outside.md").data == b"inside"
    (root / "sub" / "outside.md").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(root.parent, target_is_directory=True)
    with pytest.raises((NotFound, DocumentRejected)):
        connector.fetch("sub/outside.md")


def test_a_pipe_put_where_a_file_was_does_not_hang_the_fetch(root: Path) -> None:
    os.mkfifo(root / "a.md")
    with pytest.raises(DocumentRejected) as refused:
        make_connector("filesystem", {"path": str(root)}).fetch("a.md")
    assert refused.value.reason == "unreadable"


def test_large_files_are_refused_and_never_read_whole(root: Path) -> None:
    with (root / "big.bin").open("wb") as file:
        file.truncate((1 << 20) + 1)
    assert reasons(scan(root, max_file_mb=1)) == {"big.bin": "too_large"}
    with pytest.raises(DocumentRejected) as refused:
        make_connector("filesystem", {"path": str(root), "max_file_mb": 1}).fetch("big.bin")
    assert refused.value.reason == "too_large"


def test_a_file_written_to_while_it_is_read_is_to_be_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a.md").write_text("before")
    real, calls = os.fstat, 0

    def fstat(descriptor: int) -> os.stat_result:
        nonlocal calls
        calls += 1
        if calls == 2:
            (root / "a.md").write_text("after it")
        return real(descriptor)

    monkeypatch.setattr("connectors.filesystem.connector.os.fstat", fstat)
    with pytest.raises(Unavailable):
        make_connector("filesystem", {"path": str(root)}).fetch("a.md")


def test_globs_and_hidden_files(root: Path) -> None:
    for name in ("a.md", "b.txt", "sub/c.md", "sub/deep/d.md", ".git/config", "sub/.x.md", "~$lock.docx"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert set(scan(root)) == {"a.md", "b.txt", "sub/c.md", "sub/deep/d.md"}
    assert set(scan(root, include=["*.md"], exclude=["sub/deep"])) == {"a.md", "sub/c.md"}
    assert ".git/config" in scan(root, hidden=True) and "~$lock.docx" in scan(root, hidden=True)


def test_a_folder_that_may_not_be_opened_is_refused_and_a_failing_one_stops_the_scan(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "locked").mkdir()
    (root / "a.md").write_text("x")
    real = os.open
    failure: OSError = PermissionError(13, "Permission denied")

    def fail(path: Any, flags: int, **kw: Any) -> int:
        if path == "locked":
            raise failure
        return real(path, flags, **kw)

    monkeypatch.setattr("connectors.filesystem.connector.os.open", fail)
    assert reasons(scan(root)) == {"locked/": "unreadable"}
    failure = OSError(5, "Input/output error")
    with pytest.raises(Unavailable):
        scan(root)


def test_a_folder_that_went_away_is_an_error_and_not_an_empty_source(root: Path) -> None:
    connector = make_connector("filesystem", {"path": str(root)})
    root.rmdir()
    with pytest.raises(BadConfig):
        list(connector.scan(None))
    with pytest.raises(BadConfig):
        connector.fetch("a.md")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "config.path"),
        ({"path": ""}, "config.path"),
        ({"path": "/no/such/folder"}, "config.path"),
        ({"path": "/etc/hostname"}, "config.path"),
        ({"path": "a\x00b"}, "config.path"),
        ({"path": 7}, "config.path"),
        ({"path": "/tmp", "max_file_mb": 0}, "config.max_file_mb"),
        ({"path": "/tmp", "include": []}, "config.include"),
        ({"path": "/tmp", "follow_symlinks": True}, "config.follow_symlinks"),
        ({"path": "/tmp", "base_url": "javascript:x"}, "config.base_url"),
    ],
)
def test_a_configuration_that_cannot_work_names_its_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("filesystem", config)
    assert refused.value.field == field


def test_a_kind_that_is_not_installed() -> None:
    with pytest.raises(UnknownField) as refused:
        make_connector("gopher", {})
    assert refused.value.field == "kind"


def test_descriptors_are_given_back(root: Path) -> None:
    for i in range(30):
        (root / f"f{i}").mkdir()
        (root / f"f{i}" / "a.md").write_text("x")

    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def read_all() -> Iterator[bytes]:
        connector = make_connector("filesystem", {"path": str(root)})
        for change in connector.scan(None):
            if isinstance(change, Upsert):
                yield connector.fetch(change.external_id).data

    before = open_descriptors()
    assert len(list(read_all())) == 30
    with pytest.raises(NotFound):
        make_connector("filesystem", {"path": str(root)}).fetch("f1/none/none.md")
    assert open_descriptors() == before
