"""The parser process: reads documents from its standard input, one at a time, and answers on its standard output.

``python -m ingestion.parse.child PARENT MEMORY_MB``, started by :mod:`ingestion.parser` and by nothing else. It knows
no address, no key and no other document. It imports every reader first and limits itself afterwards, so that the
limit of memory means what a document needs and not what libraries weigh.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO

import msgspec

from ingestion.parse import READERS, parse, partition
from ingestion.parse.wire import (
    ANSWER,
    EXHAUSTED,
    FAULT,
    MAX_ANSWER,
    PARSED,
    READY,
    REFUSED,
    REQUEST,
    Question,
    Refusal,
)
from vouch.core.errors import DocumentRejected

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_OPEN_FILES = 64
_LIBRARIES = 1 << 30
"""Bytes that libraries imported later may take for themselves."""


def main(parent: str, memory_mb: str) -> None:
    _die_with(int(parent))
    # Whatever a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for reader in sorted(set(READERS.values())):
        import_module(f"ingestion.parse.{reader}")
    gc.freeze()
    tempfile.gettempdir()  # libraries ask where it is, and the first answer takes a file that is written
    null = os.open(os.devnull, os.O_RDWR)
    _limit_files()
    memory = _Memory(int(memory_mb) << 20)
    partition.making_ready = memory.uncharged
    _send(answers, READY, b"", worn=False)
    # Warnings of libraries quote the document; what matters of them comes back as an answer.
    os.dup2(null, 1)
    os.dup2(null, 2)
    questions = os.fdopen(0, "rb", buffering=1 << 16)
    while head := questions.read(REQUEST.size):
        kind, body = _answered(questions, REQUEST.unpack(head))
        _send(answers, kind, body, worn=kind == EXHAUSTED or memory.is_worn())


def _answered(questions: IO[bytes], sizes: tuple[int, int]) -> tuple[bytes, bytes]:
    """One document, with its limit of time: the kernel's, so that no library can sit it out."""
    try:
        question = msgspec.json.decode(questions.read(sizes[0]), type=Question)
        signal.setitimer(signal.ITIMER_PROF, question.cpu_s)
        data = questions.read(sizes[1])
        body = parse(data, question.name, question.mime, article=question.article).to_json()
        if len(body) > MAX_ANSWER:
            raise DocumentRejected("The text and its structure are larger than is kept", reason="too_large")
        return PARSED, body
    except DocumentRejected as refused:
        return REFUSED, msgspec.json.encode(Refusal(refused.reason, refused.detail))
    except Exception as error:  # noqa: BLE001 - the boundary: the worker logs it and tries again
        if _is_exhausted(error):
            return EXHAUSTED, b""
        return FAULT, msgspec.json.encode(Refusal(type(error).__name__, traceback.format_exc(limit=-20)))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _is_exhausted(error: BaseException | None) -> bool:
    """Whether memory ran out, be it in a library that calls it by a name of its own, as reading pictures does."""
    return error is not None and (isinstance(error, MemoryError) or _is_exhausted(error.__cause__ or error.__context__))


def _send(answers: IO[bytes], kind: bytes, body: bytes, *, worn: bool) -> None:
    rest = memoryview(ANSWER.pack(kind, worn, len(body)) + body)
    while rest:
        rest = rest[answers.write(rest) :]


def _die_with(parent: int) -> None:
    """End with the worker, even one that is killed while a document is being read."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def _limit_files() -> None:
    """Nothing is written, little is opened, and a signal that is to end this process does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


class _Memory:
    """The limit of memory: what the libraries weigh, and ``allowance`` bytes over it."""

    def __init__(self, allowance: int) -> None:
        self._allowance = allowance
        self._base = _data_bytes()
        hard = self._base + allowance + _LIBRARIES
        resource.setrlimit(resource.RLIMIT_DATA, (self._base + allowance, hard))
        # Where memory runs out for all, the kernel is to take this process rather than the worker or the database.
        Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")

    @contextmanager
    def uncharged(self) -> Iterator[None]:
        """Libraries that only some formats need are imported when the first such document comes."""
        left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        before = _data_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        try:
            yield
        finally:
            self._base += max(0, _data_bytes() - before)
            resource.setrlimit(resource.RLIMIT_DATA, (min(self._base + self._allowance, hard), hard))
            signal.setitimer(signal.ITIMER_PROF, left)

    def is_worn(self) -> bool:
        """Whether documents have left so much behind that the next one would not have its due."""
        worn = self._base + self._allowance // 4
        if _data_bytes() <= worn:
            return False
        gc.collect()
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # not in every libc
            trim(0)
        return _data_bytes() > worn


def _data_bytes() -> int:
    """What ``RLIMIT_DATA`` counts: private memory that can be written."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()


if __name__ == "__main__":
    main(*sys.argv[1:])
