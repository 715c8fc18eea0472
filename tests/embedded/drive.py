"""Runs ``up`` in a process of its own, with dummy parts: ``drive.py DATA_DIR PORT PREPARE_S [[NAME, CODE], …]``.

The parts are ``postgres`` (a server, started before the preparation) and any others.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.embedded.dummies import dummy
from vouch.core.errors import VouchError
from vouch.core.settings import Settings
from vouch.embedded import platform
from vouch.embedded.addresses import http_url


def main(data_dir: str, port: str, prepare_s: str, given: str) -> int:
    def prepare(_settings: Settings) -> None:
        print("preparing", flush=True)
        time.sleep(float(prepare_s))

    found = [dummy(name, code) for name, code in json.loads(given)]
    platform.parts = lambda *_args, **_options: found
    try:
        platform.up(
            Settings(data_dir=Path(data_dir), port=int(port)),
            prepare=prepare,
            on_ready=lambda settings: print(f"ready {http_url(settings)}", flush=True),
        )
    except VouchError as error:
        print(f"{error.code}: {error.detail}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
