"""`vouch up`: what it says, and what it refuses."""

from __future__ import annotations

import json
import socket
import stat
import subprocess

import httpx
import pytest

from tests.cli.conftest import COMMAND, Up, Vouch, environment


def test_it_says_the_address_and_the_keys_place_and_not_the_key(running: Up) -> None:
    ready = httpx.get(f"{running.url}/readyz")
    assert ready.json() == {"ready": True, "parts": dict.fromkeys(("catalog", "index", "doorbell"), "ok")}
    path = running.vouch.data_dir / "admin.key"
    assert running.lines[1] == f"administrator key: {path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip()
    assert key.startswith("vouch_")
    assert key not in running.vouch.data_dir.with_suffix(".log").read_text()


def test_a_second_start_on_the_folder_is_refused(running: Up) -> None:
    done = running.vouch("up")
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert running.url in done.stderr
    assert done.stdout == ""


def test_health_checks_see_the_parts_that_work_and_no_others(running: Up) -> None:
    def status(part: str) -> int:
        command = [COMMAND[0], "-P", "-m", "vouch.cli.alive", part]
        return subprocess.run(command, env=environment(running.vouch.data_dir), check=False).returncode

    assert [status(part) for part in ("worker", "scheduler", "no-such-part")] == [0, 0, 1]


def test_a_taken_port_is_said(alone: Vouch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = alone("up", "--json", VOUCH_PORT=port)
    assert done.returncode == 1
    found = json.loads(done.stderr)
    assert found["code"] == "port_taken"
    assert port in found["detail"]


def test_the_supervisor_stays_small() -> None:
    """What `vouch up` holds for as long as it runs: nothing that the catalog, a model or a worker needs."""
    heavy = "{'torch', 'openvino', 'numpy', 'sqlalchemy', 'sqlmodel', 'celery', 'fastapi', 'uvicorn', 'unstructured'}"
    code = f"import sys, vouch.cli.main, vouch.embedded.platform; sys.exit(' '.join({heavy} & sys.modules.keys()) or 0)"
    done = subprocess.run([COMMAND[0], "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("ingestion.worker", {"fastapi", "typer", "uvicorn", "vouch.client", "trafilatura"}),
        ("vouch.cli.first_start", {"fastapi", "typer", "celery", "vouch.client"}),
    ],
)
def test_a_part_loads_nothing_of_what_others_do(module: str, heavy: set[str]) -> None:
    """Each start pays for every import of every part."""
    code = f"import sys, {module}; sys.exit(' '.join({heavy} & sys.modules.keys()) or 0)"
    done = subprocess.run([COMMAND[0], "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_first_start_that_fails_says_why(alone: Vouch) -> None:
    done = alone("up", VOUCH_EMBED_MODEL=str(alone.data_dir / "no-such-model"))
    assert done.returncode == 1
    assert "no-such-model" in done.stderr
    assert "could not be prepared" in done.stderr
    assert "Traceback" not in done.stderr
