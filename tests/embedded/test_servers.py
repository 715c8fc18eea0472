"""The real servers: PostgreSQL and Redis, as this user and as another."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from kombu import Connection
from redis import Redis, RedisError

from tests.embedded.dummies import alive, eventually
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core.errors import StartFailed
from vouch.core.settings import Settings
from vouch.embedded import postgres
from vouch.embedded.addresses import database_url, redis_broker_url, redis_client_url
from vouch.embedded.platform import Running, running_platform
from vouch.embedded.supervisor import launched

COUNT = sa.text("SELECT count(*) FROM kept")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The servers as they run in earnest, crash safety included."""
    with running_platform(Settings(data_dir=tmp_path_factory.mktemp("data"))) as platform:
        yield platform


def _connect(running: Running) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(database_url(running.settings), autocommit=True)


def _redis(running: Running) -> Redis:
    return Redis.from_url(redis_client_url(running.settings))


def _restarted(running: Running, name: str, before: int) -> bool:
    return running.supervisor.pids().get(name, before) != before


def _postgres_answers(running: Running) -> bool:
    try:
        with _connect(running):
            return True
    except psycopg.OperationalError:
        return False


def _redis_answers(running: Running) -> bool:
    try:
        with _redis(running) as client:
            return bool(client.ping())
    except RedisError:
        return False


def test_postgres_is_durable_and_listens_on_no_network(running: Running) -> None:
    expected = {"listen_addresses": "", "fsync": "on", "full_page_writes": "on", "jit": "off", "TimeZone": "UTC"}
    with _connect(running) as connection:
        for name, value in {**expected, "server_encoding": "UTF8", "data_checksums": "on"}.items():
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert row == (value,), name
        assert connection.execute("SELECT current_database(), lower('ÄÉ')").fetchone() == ("vouch", "äé")


def test_redis_keeps_everything_and_listens_on_no_network(running: Running) -> None:
    with _redis(running) as client:
        for name, value in {
            "port": "0",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        }.items():
            assert client.config_get(name)[name] == value


def test_celery_reaches_the_same_redis(running: Running) -> None:
    with Connection(redis_broker_url(running.settings)) as broker, _redis(running) as client:
        broker.SimpleQueue("bell").put({"id": 1})
        assert client.llen("bell") == 1
        broker.SimpleQueue("bell").get(timeout=5).ack()


def test_everything_that_opens_the_servers_is_closed_to_others(running: Running) -> None:
    data = running.settings.data_dir
    sockets = running.settings.sockets
    for path in (data, data / "postgres", data / "postgres" / "data", data / "redis", sockets, sockets / "pg"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert stat.S_IMODE((sockets / "redis.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((sockets / "pg" / ".s.PGSQL.5432").stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(database_url(running.settings).replace("postgres@", "someone@"))


def test_peer_authentication_admits_the_platforms_user_alone(running: Running) -> None:
    rules = (running.settings.data_dir / "postgres" / "data" / "pg_hba.conf").read_text().splitlines()
    assert [line for line in rules if not line.startswith("#")] == ["local all postgres peer map=vouch"]
    if os.geteuid() != 0:
        return
    # Root's server runs as `nobody`. Another process of nobody, let through the folders, is still turned away.
    code = "import psycopg, sys; psycopg.connect(sys.argv[1])"
    command = [sys.executable, "-c", code, database_url(running.settings)]
    done = subprocess.run(launched(command, (65534, 65534)), capture_output=True, text=True, check=False)
    assert 'Peer authentication failed for user "postgres"' in done.stderr
    assert subprocess.run(command, check=False).returncode == 0


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_the_server_of_root_is_not_roots(running: Running) -> None:
    server, own = _status(running.supervisor.pids()["postgres"]), _status(os.getpid())
    assert "0" not in server["Uid"].split()
    if os.geteuid() == 0:
        # Nothing but the one right to pass through closed folders: CAP_DAC_READ_SEARCH, or else CAP_DAC_OVERRIDE.
        assert int(server["CapEff"], 16) in (1 << 2, 1 << 1)
        assert server["CapPrm"] == server["CapEff"]
    else:
        assert (server["Uid"], server["CapEff"]) == (own["Uid"], own["CapEff"])


def test_postgres_killed_with_a_backend_at_work_recovers_what_was_committed(running: Running) -> None:
    with _connect(running) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    catalog = Catalog(database_url(running.settings))
    with catalog.reading(ACROSS_TENANTS) as session:
        assert session.execute(COUNT).scalar() == 1
    before = running.supervisor.pids()["postgres"]
    busy, other = _connect(running), _connect(running)
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")  # computes, asks nobody
    busy.pgconn.flush()
    other.execute("BEGIN; INSERT INTO kept VALUES (2)")  # never committed
    os.kill(before, signal.SIGKILL)
    eventually(lambda: _restarted(running, "postgres", before) and _postgres_answers(running))
    assert not alive(busy.info.backend_pid)
    with catalog.reading(ACROSS_TENANTS) as session:  # the same pool: it connects anew on its own
        assert session.execute(COUNT).scalar() == 1
    catalog.close()
    for connection in (busy, other):
        connection.close()


def test_a_stale_pid_file_that_names_a_stranger_does_not_stop_postgres(running: Running) -> None:
    data = running.settings.data_dir / "postgres" / "data"
    before = running.supervisor.pids()["postgres"]
    lines = (data / "postmaster.pid").read_text().splitlines()
    # As after a reboot, when the number belongs to a process of the same user that has nothing to do with us.
    user = None if os.geteuid() else (65534, 65534)
    with subprocess.Popen(launched(["/bin/sleep", "600"], user)) as stranger:
        os.kill(before, signal.SIGSTOP)  # so that it does not notice, and shut down, before it is killed
        (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: _restarted(running, "postgres", before) and _postgres_answers(running))
        assert stranger.poll() is None
        stranger.kill()


def test_redis_killed_comes_back_with_what_it_held(running: Running) -> None:
    with _redis(running) as client:
        client.set("kept", "yes")
        before = running.supervisor.pids()["redis"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: _restarted(running, "redis", before) and _redis_answers(running))
        assert client.get("kept") == b"yes"  # the same client: it reconnects on its own


@pytest.mark.parametrize("name", ["long/" * 40, "sp ace, cömma", "plain"])
def test_servers_start_and_start_again_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path / name)
    for expected in ([], [("kept",)]):
        with running_platform(settings, durable=False) as running, _connect(running) as sql, _redis(running) as redis:
            sql.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
            assert sql.execute("SELECT text FROM kept").fetchall() == expected
            sql.execute("INSERT INTO kept VALUES ('kept')")
            assert redis.get("kept") == (b"kept" if expected else None)
            redis.set("kept", "kept")
        assert settings.sockets.exists() == settings.sockets.is_relative_to(tmp_path)


def test_an_initialisation_that_was_cut_short_is_done_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    with running_platform(Settings(data_dir=tmp_path), only=["postgres"], durable=False) as running:
        assert list(running.supervisor.pids()) == ["postgres"]
        assert _postgres_answers(running)
    assert not half.exists()


def _fails(settings: Settings, match: str) -> None:
    with pytest.raises(StartFailed, match=match), running_platform(settings, only=["postgres"], durable=False):
        pass


def test_a_damaged_cluster_fails_the_start_with_the_servers_own_words(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with running_platform(settings, only=["postgres"], durable=False):
        pass
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    _fails(settings, r"(?s)postgres ended before it was ready.*9\.6")


def test_an_initdb_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_ROLE", "pg_not_allowed")
    _fails(Settings(data_dir=tmp_path), r'postgres could not be started: initdb failed:\n.*"pg_not_allowed"')


def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    """As root: in a process of another user, who may pass through closed folders to reach interpreter and code."""
    code = """
import os, sys
from pathlib import Path
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url
from vouch.embedded.platform import running_platform
import psycopg
with running_platform(Settings(data_dir=Path(sys.argv[1]))) as running:
    with psycopg.connect(database_url(running.settings)) as connection:
        owner = {pid.stat().st_uid for n in running.supervisor.pids().values() for pid in [Path(f"/proc/{n}")]}
        print(os.geteuid(), *owner, connection.execute("SELECT 1").fetchone())
"""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    user = None
    if os.geteuid() == 0:
        user = (65534, 65534)
        os.chown(data, *user)
    command = launched([sys.executable, "-c", code, str(data)], user)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    uid = user[0] if user else os.geteuid()
    assert done.stderr == ""
    assert done.stdout == f"{uid} {uid} (1,)\n"
