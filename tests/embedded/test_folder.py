"""The data folder: one platform at a time, closed to others, and its key."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from vouch.core.errors import AlreadyRunning, BadConfig, PortTaken, StartFailed
from vouch.core.settings import Settings
from vouch.embedded import folder


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_held_folder_is_refused_and_a_left_one_is_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with folder.locked(data) as lock:
        folder.announce(lock, "http://127.0.0.1:8080")
        said = rf"\(process {os.getpid()}, http://127\.0\.0\.1:8080\)"
        with pytest.raises(AlreadyRunning, match=said), folder.locked(data):
            pass
    with folder.locked(data):
        pass


def test_a_folder_whose_holder_died_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_AFTERMATH_S", 0.2)
    data = tmp_path / "data"
    with folder.locked(data) as lock:
        os.pwrite(lock, json.dumps({"pid": 2**22 + 1, "address": "x"}).encode().ljust(100), 0)  # above any process id
        with pytest.raises(AlreadyRunning, match=r"already runs on [^(]*$"), folder.locked(data):
            pass


def test_the_data_folder_is_closed_to_others(tmp_path: Path) -> None:
    for data in (tmp_path / "new" / "data", tmp_path / "empty"):
        if data.name == "empty":
            data.mkdir(mode=0o755)
        with folder.locked(data):
            assert _mode(data) == 0o700
    ours = tmp_path / "empty"
    ours.chmod(0o755)
    with folder.locked(ours):
        assert _mode(ours) == 0o700


def test_a_folder_that_others_use_is_refused_untouched(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "file").touch()
    with pytest.raises(BadConfig, match="give Vouch a folder of its own"), folder.locked(shared):
        pass
    assert _mode(shared) == 0o755
    assert [path.name for path in shared.iterdir()] == ["file"]


def test_a_link_in_place_of_a_private_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartFailed, match="not a folder of the user"):
        folder.private(tmp_path / "link")


def test_the_secret_key_is_made_once_private_and_checked(tmp_path: Path) -> None:
    first = folder.secret_key(tmp_path).get_secret_value()
    assert len(bytes.fromhex(first)) == 32
    assert _mode(tmp_path / "secret.key") == 0o600
    assert folder.secret_key(tmp_path).get_secret_value() == first
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(StartFailed, match="can be read by others"):
        folder.secret_key(tmp_path)
    (tmp_path / "secret.key").chmod(0o600)
    (tmp_path / "secret.key").write_text("")
    with pytest.raises(StartFailed, match="does not hold the key"):
        folder.secret_key(tmp_path)


def test_a_port_is_checked_or_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is taken"):
            folder.free_port(Settings(port=port))
    assert folder.free_port(Settings(port=port)) == port
    assert folder.free_port(Settings(port=0)) > 0
    with pytest.raises(BadConfig, match="not an address of this machine") as caught:
        folder.free_port(Settings(host="192.0.2.1"))
    assert caught.value.field == "host"
