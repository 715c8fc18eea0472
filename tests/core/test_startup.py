"""While a process of ours is loaded nothing is looked through for garbage, and afterwards everything new is."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from vouch.core import startup; startup.loading()", "False 0"),
        ("from vouch.core import startup; startup.loading(); startup.loaded()", "True more"),
        ("import ingestion.scheduler, ingestion.worker, vouch.cli.first_start", "True 0"),
    ],
    ids=["loading", "loaded", "imported by others"],
)
def test_the_collector_rests_while_a_process_is_loaded_and_no_longer(code: str, said: str) -> None:
    state = "import gc; print(gc.isenabled(), 'more' if gc.get_freeze_count() > 1000 else 0)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{state}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
