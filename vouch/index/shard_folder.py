"""One generation's folder on disk: its lock, its manifest and its shards.

    <folder>/lock            held while a process has the index open
    <folder>/manifest.json   which shard is current and how far it has come; replaced whole, never edited
    <folder>/rules.jsonl     the access rules that points have, by number (`vouch/index/rules.py`)
    <folder>/shard-3/        the current shard (others are left-overs of an interrupted compaction)

A new shard becomes current, together with its sequence number, by the one rename of the manifest.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from vouch.core.errors import AlreadyRunning, IndexUnavailable

log = logging.getLogger(__name__)

FORMAT = 2
"""1: points had their clause slots, and no rule."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``shard`` is 0 and ``dimensions`` None until the first point arrives.

    ``garbage`` and ``unindexed`` count points removed or replaced, and written, since the last compaction.
    """

    generation: str
    shard: int = 0
    dimensions: int | None = None
    applied_seq: int = 0
    garbage: int = 0
    unindexed: int = 0
    format: int = FORMAT


def hold_lock(path: Path) -> TextIO:
    """Lock ``path`` for as long as the returned file is open. Raises :class:`AlreadyRunning` when another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        holder = handle.read(32).strip() or "unknown"
        handle.close()
        raise AlreadyRunning(f"the index in {path.parent} is open in another process (pid {holder})") from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


class ShardFolder:
    """An open, locked folder of one generation. ``close`` gives the lock back."""

    def __init__(self, path: Path, generation: str) -> None:
        """Raises :class:`AlreadyRunning`, or :class:`IndexUnavailable` on a manifest that is not this generation's."""
        self.path = path
        self.rules_path = path / "rules.jsonl"
        self._lock = hold_lock(path / "lock")
        try:
            self.manifest = self._read(generation)
            self._remove_leftovers()
        except BaseException:
            self._lock.close()
            raise

    def shard_path(self, number: int) -> Path:
        return self.path / f"shard-{number}"

    def record(self, manifest: Manifest) -> None:
        """Make ``manifest`` the durable truth: written aside, synced, renamed, and the rename synced."""
        aside = self.path / "manifest.json.new"
        with aside.open("w") as file:
            json.dump(asdict(manifest), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path / "manifest.json")
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.manifest = manifest

    def close(self) -> None:
        self._lock.close()

    def _read(self, generation: str) -> Manifest:
        path = self.path / "manifest.json"
        if not path.exists():
            return Manifest(generation)
        try:
            manifest = Manifest(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise IndexUnavailable(f"{path} cannot be read: rebuild the index") from error
        if manifest.format > FORMAT or manifest.generation != generation:
            raise IndexUnavailable(f"{path} belongs to another generation or format: rebuild the index")
        if manifest.format < FORMAT:  # empty, as a lost one: the projector writes everything again, and embeds nothing
            log.warning("%s is of an earlier version: the index is written anew", path)
            return Manifest(generation)
        if manifest.shard and not self.rules_path.exists():
            raise IndexUnavailable(f"{self.rules_path} is missing: rebuild the index")
        return manifest

    def _remove_leftovers(self) -> None:
        current = self.shard_path(self.manifest.shard)
        for path in self.path.glob("shard-*"):
            if path != current:
                shutil.rmtree(path)
