"""Compaction: a child process copies a shard, rewrites the copy and leaves it for the owner to adopt.

A child, because the engine holds the interpreter lock while it rewrites (seconds to minutes): in the owner's own
process no question would be answered meanwhile. It says ``copied`` on its standard output when the original may
change again. Run as ``python -m vouch.index.compact SOURCE TARGET DIMENSIONS``.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import qdrant_edge as edge

from vouch.core.errors import IndexUnavailable
from vouch.index.edge_model import shard_config

COPIED = "copied"
_PR_SET_PDEATHSIG = 1
_BLOCK = 1 << 20


class Compaction:
    """A compaction under way. The source must not change before :meth:`wait_copied` returns."""

    def __init__(self, source: Path, target: Path, dimensions: int) -> None:
        self.target = target
        safe = ["-P"] if sys.flags.safe_path else []
        command = [sys.executable, *safe, "-m", "vouch.index.compact", str(source), str(target), str(dimensions)]
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def wait_copied(self) -> None:
        """Raises :class:`IndexUnavailable` when the copy failed (a full disk, say)."""
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != COPIED:
            self._child.wait()
            raise IndexUnavailable(f"compaction could not copy the shard (exit status {self._child.returncode})")

    def wait(self) -> None:
        """Until the copy is rewritten and closed. Raises :class:`IndexUnavailable` when it is not."""
        status = self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        if status != 0:
            raise IndexUnavailable(f"compaction failed (exit status {self._child.returncode})")

    def abandon(self) -> None:
        """End the child, if it still runs, and remove what it made."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        shutil.rmtree(self.target, ignore_errors=True)


def copy_shard(source: Path, target: Path) -> None:
    """Copy a folder, keeping holes: the engine's files are sparse, and filling them would take a hundredfold."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        destination = target / path.relative_to(source)
        if path.is_dir():
            destination.mkdir()
        else:
            _copy_sparse(path, destination)


def _copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        size = os.fstat(reader.fileno()).st_size
        writer.truncate(size)
        position = 0
        while position < size:
            try:
                position = os.lseek(reader.fileno(), position, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole up to the end
                break
            end = os.lseek(reader.fileno(), position, os.SEEK_HOLE)
            while position < end:
                block = os.pread(reader.fileno(), min(_BLOCK, end - position), position)
                if not block:
                    raise OSError(f"{source} shrank while it was copied")
                position += os.pwrite(writer.fileno(), block, position)


def main(source: str, target: str, dimensions: str) -> None:
    if sys.platform == "linux":  # an owner that is killed takes its compaction with it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(10)
    copy_shard(Path(source), Path(target))
    print(COPIED, flush=True)
    shard = edge.EdgeShard.load(target, shard_config(int(dimensions)))
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
