"""`compose.yaml`: no engine runs it here, so what it says is held against what the programs understand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vouch.core.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("first-start", "retrieval", "ingestion", "worker", "scheduler")
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "QDRANT_API_KEY", "VOUCH_SECRET_KEY"}


def test_the_services_are_these() -> None:
    assert set(SERVICES) == {"postgres", "redis", "qdrant", *OURS}
    assert all(service.get("image") for service in SERVICES.values())


@pytest.mark.parametrize("name", OURS)
def test_ours_are_told_where_everything_is(name: str) -> None:
    given = SERVICES[name]["environment"]
    known = {f"VOUCH_{field.upper()}" for field in Settings.model_fields}
    assert set(given) <= known
    assert set(given) >= {f"VOUCH_{name}_URL" for name in ("DATABASE", "REDIS", "QDRANT", "BLOB")}
    filled = {key.removeprefix("VOUCH_").lower(): _filled(value) for key, value in given.items()}
    settings = Settings.model_validate(filled)
    assert settings.qdrant_url == "http://qdrant:6333"


def test_every_variable_of_ours_anywhere_is_a_setting() -> None:
    known = {f"VOUCH_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"VOUCH_[A-Z_]+", TEXT)) <= known


def _filled(value: str) -> str:
    """As the engine would with every secret set, to 40 letters."""
    return re.sub(r"\$\{\w+:(\?|-)([^}]*)\}", lambda m: "s" * 40 if m[1] == "?" else m[2], value)


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    uses = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    assert {name for name, _ in uses} == SECRETS | {"VOUCH_BLOB_URL", "DOCUMENTS"}
    assert all(rest.startswith(":?") for name, rest in uses if name in SECRETS)


def test_the_order_of_starts_is_by_health() -> None:
    for name in OURS:
        conditions = {on: given["condition"] for on, given in SERVICES[name]["depends_on"].items()}
        servers = dict.fromkeys(("postgres", "redis", "qdrant"), "service_healthy")
        first = {} if name == "first-start" else {"first-start": "service_completed_successfully"}
        assert conditions == {**servers, **first}
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) == (name != "first-start"), name
    assert SERVICES["first-start"]["restart"] == "no"


def test_the_doorbell_forgets_nothing_and_qdrant_fetches_no_urls() -> None:
    redis = " ".join(SERVICES["redis"]["command"])
    for option in ("--requirepass", "--maxmemory-policy noeviction", "--appendonly yes"):
        assert option in redis
    qdrant = SERVICES["qdrant"]["environment"]
    assert qdrant["QDRANT__SERVICE__ENABLE_SNAPSHOT_URL_RECOVERY"] == "false"
    assert qdrant["QDRANT__SERVICE__API_KEY"] == "${QDRANT_API_KEY:?set it}"


def test_only_the_services_are_reached_from_outside_and_from_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"retrieval", "ingestion"}
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)


def test_named_volumes_are_declared() -> None:
    mounted = {v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if v[0].isalpha()}
    assert mounted == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_what_the_containers_run_exists(name: str) -> None:
    service = SERVICES[name]
    if "entrypoint" in service:
        assert service["entrypoint"] == ["python", "-P", "-m", "vouch.cli.first_start"]
        assert (ROOT / "vouch/cli/first_start.py").is_file()
        return
    command = [sys.executable, "-m", "vouch.cli", *service["command"], "--help"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_the_image_holds_what_the_build_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    needed = {"requirements", "pyproject.toml", "README.md", "vouch", "acl", "connectors", "ingestion", "retrieval"}
    assert needed <= {line.removeprefix("!") for line in ignored if line.startswith("!")}


def test_the_hooks_download_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    entries = {hook["id"]: hook for hook in hooks["repos"][0]["hooks"]}
    assert {"ruff", "ruff-format", "mypy"} <= set(entries)
    assert all(hook["language"] == "system" for hook in entries.values())
