"""What goes to one process of ``pytest -n`` as a whole, and what goes first.

A process is handed whole files. Files that share a running platform are handed out together, as if they were one:
each process that had some of them would start a platform of its own, which is a quarter of a minute of work.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

_ROOT = Path(__file__).parents[1]
_PLATFORM, _CLI = "tests/platform", "tests/cli"
_FIRST = (
    "tests/retrieval/test_non_interference.py",
    _PLATFORM,
    "tests/platform/test_interrupted_scans.py",
    "tests/platform/test_crashes.py",
    _CLI,
    "tests/cli/test_ending.py",
    "tests/gateway/test_prepare.py",
    "tests/platform/test_http_chat.py",
    "tests/platform/test_http_mail.py",
    "tests/platform/test_http_secrets.py",
    "tests/platform/test_http_streams.py",
    "tests/evals/test_bench.py",
    "tests/contracts/test_embedders.py",
)
"""What takes longest comes first, so that no process has it left when the others are through."""
_OF_ITS_OWN = "platform_on("
_ON_THE_RUNNING = re.compile(r"\b(vouch: Vouch|running: Up)\b")


@cache
def unit(file: str) -> str:
    """What ``file``, a path from the root of the repository, is handed out with: a folder, or itself alone."""
    folder = file.rpartition("/")[0]
    if folder == _PLATFORM and _OF_ITS_OWN not in (_ROOT / file).read_text():
        return _PLATFORM
    if folder == _CLI and _ON_THE_RUNNING.search((_ROOT / file).read_text()):
        return _CLI
    return file


def turn(item: pytest.Item) -> int:
    """By which the items of a run are sorted, each file's and each folder's staying in their order."""
    name = unit(_file(item.nodeid))
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


class ByPlatform(LoadFileScheduling):
    """``--dist loadfile``, by units instead of files."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(_file(nodeid))


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]
