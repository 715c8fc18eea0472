"""The lock of the prompts: which versions are released, and the SHA-256 of each one's file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from vouch.core.errors import BadPrompt
from vouch.core.ids import sha256

FOLDER = Path(__file__).parent
LOCK = "lock.json"
_VERSION = re.compile(r"[a-z][a-z_]*\.v[1-9][0-9]*")


@cache
def ours() -> Mapping[str, str]:
    """The digests of our own prompts by version."""
    return locked(FOLDER)


@cache
def prompt(version: str) -> str:
    """The text of ``<version>.md``. Raises :class:`BadPrompt` for one that is not released, or not as it was."""
    return read(FOLDER, version)


def digest(version: str) -> str:
    """The SHA-256 of a released file. Raises :class:`BadPrompt` for a version that is none."""
    return _of(ours(), version)


def require_lock(folder: Path = FOLDER) -> None:
    """Raises :class:`BadPrompt` unless every file is released, every release has its file, and each is as it was."""
    there, held = files(folder), locked(folder)
    for version in held:
        read(folder, version)
    if there.keys() - held.keys():
        new = ", ".join(sorted(there.keys() - held.keys()))
        raise BadPrompt(f"{new} is not released: `python -m retrieval.prompts lock` does that.")


def read(folder: Path, version: str) -> str:
    """As :func:`prompt`, of any folder."""
    expected = _of(locked(folder), version)
    try:
        raw = (folder / f"{version}.md").read_bytes()
    except OSError:
        raise BadPrompt(f"The prompt {version} is released, and its file is not there.") from None
    if sha256(raw) != expected:
        raise BadPrompt(f"The prompt {version} is not as it was released: what differs has to be a new version.")
    return raw.decode("utf-8")


def add(folder: Path = FOLDER) -> tuple[str, ...]:
    """Release the files that are not in the lock yet; their versions. What is in it never changes: raises
    :class:`BadPrompt` where a file does, or is gone, and then adds nothing."""
    there, held = files(folder), locked(folder)
    for version in held:
        read(folder, version)
    new = {version: sha256(path.read_bytes()) for version, path in there.items() if version not in held}
    if new:
        (folder / LOCK).write_text(json.dumps({**held, **new}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return tuple(new)


def files(folder: Path) -> dict[str, Path]:
    """Every prompt's file by its version. Raises :class:`BadPrompt` for a name that is none."""
    found = {path.stem: path for path in sorted(folder.glob("*.md"))}
    for version in found:
        if not _VERSION.fullmatch(version):
            raise BadPrompt(f"{version}.md is no name for a prompt: it is a kind and a number, as in answer.v2.md.")
    return found


def locked(folder: Path) -> Mapping[str, str]:
    """The digests by version; none where there is no lock yet."""
    path = folder / LOCK
    held: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return held


def _of(held: Mapping[str, str], version: str) -> str:
    if version not in held:
        raise BadPrompt(f"The prompt {version} is not released: `python -m retrieval.prompts lock` does that.")
    return held[version]
