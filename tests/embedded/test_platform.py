"""Which parts settings mean, and what those are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scratch import scratch
from vouch.core.settings import Settings
from vouch.embedded import addresses, platform

SECRET = "s3cr3t-" * 6


def _settings(tmp_path: Path, **given: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "port": 0, **given})


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, "postgres redis index worker scheduler api"),
        ({"database_url": "postgresql://a:b@db/x"}, "redis index worker scheduler api"),
        ({"redis_url": "redis://cache:6379/0"}, "postgres index worker scheduler api"),
        ({"qdrant_url": "http://qdrant:6333"}, "postgres redis worker scheduler api"),
        (
            {"database_url": "postgresql://a:b@db/x", "redis_url": "redis://c/0", "qdrant_url": "http://q:6333"},
            "worker scheduler api",
        ),
    ],
)
def test_nothing_is_started_that_the_settings_give(tmp_path: Path, given: dict[str, object], names: str) -> None:
    settings = _settings(tmp_path, **given)
    resolved = platform.resolve(settings)
    assert [part.name for part in platform.parts(settings, resolved)] == names.split()
    for field, value in given.items():
        found = getattr(resolved, field)
        assert (found.get_secret_value() if hasattr(found, "get_secret_value") else found) == value


def test_children_read_the_same_settings_from_their_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCH_CHAT_MODEL", "from the caller's environment")
    monkeypatch.setenv("VOUCH_SQL_CRM_URL", "sqlite:///crm.db")
    resolved = platform.resolve(
        _settings(
            tmp_path,
            chat_url="http://localhost:1/v1",
            chat_api_key=SECRET,
            chat_model=None,
            secret_key=SECRET,
            former_secret_keys=(f"older {SECRET}", f"oldest {SECRET}"),
        )
    )
    assert resolved.chat_model is None
    env = platform.environment(resolved)
    assert env["PATH"] == os.environ["PATH"]
    assert env["VOUCH_SQL_CRM_URL"] == "sqlite:///crm.db", "what a source reads is passed on"
    for name in [name for name in os.environ if name.startswith("VOUCH_")]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert Settings() == resolved
    assert platform.resolve(Settings()) == resolved


def test_no_secret_is_on_a_command_line_nor_given_to_the_servers(tmp_path: Path) -> None:
    settings = _settings(tmp_path, secret_key=SECRET, qdrant_api_key=SECRET, chat_api_key=SECRET)
    for part in platform.parts(settings, platform.resolve(settings)):
        assert SECRET not in " ".join(part.command)
        assert (SECRET in part.env.values()) == (part.name not in platform.SERVERS)


def test_each_library_gets_a_socket_in_its_own_form(tmp_path: Path) -> None:
    embedded = _settings(tmp_path)
    socket = tmp_path / "run" / "redis.sock"
    for settings in (
        embedded,
        platform.resolve(embedded),
        _settings(tmp_path, redis_url=f"redis+socket://{socket}?virtual_host=0"),
    ):
        assert addresses.redis_client_url(settings) == f"unix://{socket}?db=0"
        assert addresses.redis_broker_url(settings) == f"redis+socket://{socket}?virtual_host=0"
    remote = _settings(tmp_path, redis_url="rediss://:pw@cache:6379/3")
    assert addresses.redis_client_url(remote) == addresses.redis_broker_url(remote) == "rediss://:pw@cache:6379/3"


@pytest.mark.parametrize("name", ["x" * 120, "with space", "comma,comma", "100%", "größe", "q?a=b#c"])
def test_the_sockets_folder_is_short_plain_and_the_same_for_every_spelling(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    sockets = Settings(data_dir=data).sockets
    assert not sockets.is_relative_to(tmp_path)
    assert len(bytes(sockets)) < 40
    assert sockets == Settings(data_dir=data.parent / "." / name / ".." / name).sockets
    assert sockets != Settings(data_dir=tmp_path / f"{name}2").sockets


def test_the_sockets_folder_is_in_the_data_folder_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    with scratch() as name:  # a short path, which that of a test's own folder need not be
        folder = Path(name)
        monkeypatch.chdir(folder)
        assert Settings(data_dir=Path(".vouch")).sockets == folder / ".vouch" / "run"
        (folder / "link").symlink_to(folder / ".vouch")
        assert Settings(data_dir=folder / "link").sockets == folder / ".vouch" / "run"
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("example.org", "http://example.org:80")],
)
def test_the_address_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert addresses.http_url(Settings(host=host, port=80)) == url
