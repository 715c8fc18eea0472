"""What the supervisor is told about one child process, and in which order parts come and go."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter


@dataclass(frozen=True, slots=True)
class Restart:
    """Delays between restarts: doubling from ``first_s`` to ``cap_s``, anew once the part was up for ``steady_s``."""

    first_s: float = 0.2
    cap_s: float = 10.0
    steady_s: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait before the restart that follows the ``failures``-th death in a row (from 1)."""
        return float(min(self.cap_s, self.first_s * 2 ** min(failures - 1, 30)))


def _at_once() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """One supervised process. Secrets belong in ``env`` or in files, never in ``command``, which everyone can read."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    """All of the process's environment: nothing is inherited."""
    ready: Callable[[], bool] = _at_once
    """Asked again and again until true; it answers within about two seconds and does not raise."""
    depends_on: tuple[str, ...] = ()
    """Started after these are ready and stopped before them; names of parts that are not there do not count."""
    prepare: Callable[[], None] | None = None
    """Called before each start, when nothing of an earlier start lives. Raises ``VouchError`` or ``OSError``."""
    user: tuple[int, int] | None = None
    """Run as this (uid, gid); None: as the supervisor's own user."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 2.0
    """Seconds between ``stop_signal`` and SIGKILL."""
    start_s: float = 30.0
    """Seconds until it has to be ready."""
    restart: Restart = field(default_factory=Restart)


def waves(parts: Sequence[Part]) -> list[list[Part]]:
    """Group parts so that each group depends only on groups before it. Raises ``ValueError`` on a cycle or a twin."""
    by_name = {part.name: part for part in parts}
    if len(by_name) != len(parts):
        raise ValueError("two parts have the same name")
    sorter = TopologicalSorter({p.name: [d for d in p.depends_on if d in by_name] for p in parts})
    sorter.prepare()
    found = []
    while sorter.is_active():
        names = sorted(sorter.get_ready(), key=list(by_name).index)
        sorter.done(*names)
        found.append([by_name[name] for name in names])
    return found
