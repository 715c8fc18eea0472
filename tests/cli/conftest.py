"""`vouch` as people run it: a process of its own, its exit status, what it prints where."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder

COMMAND = (sys.executable, "-P", "-m", "vouch.cli")
PATIENCE_S = 120


def environment(data_dir: Path, **given: str) -> dict[str, str]:
    """This process's environment on another data folder; FORCE_COLOR must not colour a pipe."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("VOUCH_")}
    return {**bare, "VOUCH_DATA_DIR": str(data_dir), "VOUCH_PORT": "0", "FORCE_COLOR": "1", **given}


@dataclass(frozen=True)
class Vouch:
    """Runs commands on one data folder."""

    data_dir: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=environment(self.data_dir, **self.env, **env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Standard output of a command that has to succeed."""
        done = self(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout


@dataclass(frozen=True)
class Up:
    """`vouch up`, ready. ``lines``: what it said of itself."""

    vouch: Vouch
    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def url(self) -> str:
        return self.lines[0].removeprefix("ready ")


@contextmanager
def up(data_dir: Path, models: Path, **env: str) -> Iterator[Up]:
    """The platform on ``data_dir`` while the block lasts; the model is not converted anew."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if not (data_dir / "models").exists():
        shutil.copytree(models, data_dir / "models")
    with (data_dir.with_suffix(".log")).open("w+") as log:
        process = subprocess.Popen(
            [*COMMAND, "up"], env=environment(data_dir, **env), stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().rstrip("\n") for _ in range(2)]
            log.seek(0)
            assert lines[0].startswith("ready http://"), (lines, log.read()[-4000:])
            yield Up(Vouch(data_dir), process, lines)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            finally:
                process.kill()


@pytest.fixture(scope="session")
def models(model_settings: Settings, embedder: Embedder) -> Path:
    """The folder of the model as prepared."""
    assert embedder.dimensions
    return model_settings.models_dir


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Up]:
    """One platform for all tests here; each makes sources of its own."""
    with up(tmp_path_factory.mktemp("platform") / "data", models) as running:
        yield running


@pytest.fixture
def vouch(running: Up) -> Vouch:
    """Commands on the running platform."""
    return running.vouch


@pytest.fixture
def alone(tmp_path: Path) -> Vouch:
    """Commands on a data folder where nothing runs."""
    return Vouch(tmp_path / "nothing")
