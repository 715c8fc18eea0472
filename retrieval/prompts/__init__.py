"""Prompts by version. A file here never changes once released: what differs is a new version."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ANSWER = "answer.v1"
JUDGE = "judge.v1"


@cache
def prompt(version: str) -> str:
    """The text of ``<version>.md``."""
    return files(__name__).joinpath(f"{version}.md").read_text(encoding="utf-8")
