"""`vouch models`, in a process of its own, against servers that answer and fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from vouch.gateway.fake_chat import FakeChat


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOUCH_")}
    command = [sys.executable, "-m", "vouch.cli", "models", *arguments]
    return subprocess.run(command, env=own | environment, capture_output=True, text=True, check=False)


def test_each_is_tried_and_it_is_said_what_came_of_it(tmp_path: Path) -> None:
    with FakeChat("honest") as good, FakeChat("altered_quote") as liar, FakeChat("refuses_key") as closed:
        file = tmp_path / "models.toml"
        file.write_text(
            "\n".join(
                f'[models.{name}]\nprovider = "openai"\nmodel = "m"\nurl = "{server.url}"\n'
                'key = { env = "A_KEY" }\nprice = { input = 2 }\ndata_classes = ["public"]\n'
                for name, server in (("good", good), ("liar", liar), ("closed", closed))
            )
        )
        done = run("--try", "--json", VOUCH_MODELS=str(file), A_KEY="sk-very-private")
        shown = run(VOUCH_MODELS=str(file), A_KEY="sk-very-private")
    assert done.returncode == 1, done.stderr
    found = {one["name"]: one for one in json.loads(done.stdout)["models"]}
    outcomes = {name: one["outcome"] for name, one in found.items()}
    assert outcomes == {"good": "answered", "liar": "misquoted", "closed": "refused"}
    assert float(found["good"]["cost"]) > 0 and found["closed"]["cost"] is None
    assert "sk-very-private" not in done.stdout + done.stderr + shown.stdout + shown.stderr
    assert shown.returncode == 0 and all(name in shown.stdout for name in ("good", "liar", "closed"))


def test_a_mistake_is_wrong_use_and_no_model_is_said(tmp_path: Path) -> None:
    none = run()
    assert none.returncode == 0 and "No chat model" in none.stderr
    (tmp_path / "models.toml").write_text("[models.a]\n")
    bad = run(VOUCH_MODELS=str(tmp_path / "models.toml"))
    assert bad.returncode == 2 and "models.a.provider" in bad.stderr + bad.stdout
