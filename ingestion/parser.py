"""A worker's parser process: it is asked, watched, and replaced when it dies, hangs or has grown.

    bytes, name, type ─▶ parser process (``ingestion.parse.child``) ─▶ text and elements, or a reason

What a document does to it is the document's fault only where it would happen again: the limit of CPU time, the
limit of memory and a crash refuse it, the latter two in a process that has read nothing before it. A process that
was killed from outside, or that gave no answer in time without having used its CPU time, is the machine's fault:
:class:`ParserKilled`, an attempt like any other failure.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time

import msgspec

from ingestion.parse import REASONS
from ingestion.parse.wire import (
    ANSWER,
    EXHAUSTED,
    MAX_ANSWER,
    PARSED,
    READY,
    REFUSED,
    REQUEST,
    Answer,
    Question,
    Refusal,
    checked,
)
from vouch.core.errors import DocumentRejected, Unavailable

log = logging.getLogger(__name__)

START_S = 120.0
"""Importing the readers takes a second or two of an idle core."""
SPARE_S = 60.0
"""What a document may wait for its share of a busy machine, over its CPU time, before its parser is given up."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_BLOCK = 1 << 20


class ParserKilled(Exception):
    """The process went away, or did not answer, through no fault that can be laid to the document."""


class _Suspect(Exception):
    """It failed in a process that had read other documents before: a fresh one is to say whose fault that is."""


class Parser:
    """One parser process at a time; started when first needed. Safe to call from several threads, one by one.

    The process ends with the thread that started it, so that is to be one that lasts.
    """

    def __init__(self, *, memory_mb: int = 512, cpu_s: float = 60.0) -> None:
        self._memory_mb = memory_mb
        self._cpu_s = cpu_s
        self._wall_s = cpu_s + SPARE_S
        self._child: _Child | None = None
        self._turn = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id, while there is one."""
        return None if self._child is None else self._child.process.pid

    def start(self) -> None:
        """Start the process without waiting for it."""
        with self._turn:
            self._child = self._child or _Child(self._memory_mb)

    def close(self) -> None:
        with self._turn:
            self._drop()

    def parse(self, data: bytes, name: str, mime: str | None = None, *, article: bool = False) -> tuple[Answer, bytes]:
        """What the document says, or with ``article`` a web page's article, and the JSON it came as.

        Raises :class:`DocumentRejected` with one of :data:`ingestion.parse.REASONS`, :class:`ParserKilled`, and
        :class:`Unavailable` when no process can be started.
        """
        question = msgspec.json.encode(Question(name, mime, self._cpu_s, article))
        with self._turn:
            try:
                return self._once(question, data)
            except _Suspect:
                return self._once(question, data)

    def _once(self, question: bytes, data: bytes) -> tuple[Answer, bytes]:
        child = self._ready()
        fresh, child.fresh = child.fresh, False
        try:
            kind, worn, body = child.ask(question, data, self._wall_s)
        except _Ended:
            raise self._verdict(self._drop(), fresh=fresh) from None
        except BaseException:  # the worker's own time limit too: what was asked must not answer the next question
            self._drop()
            raise
        if worn:
            self._drop()
        if kind == EXHAUSTED:
            if not fresh:
                raise _Suspect
            raise DocumentRejected(
                f"Reading it takes more than {self._memory_mb} MiB of memory", reason="too_expensive"
            )
        return self._believed(kind, body)

    def _ready(self) -> _Child:
        """A process that waits for a document. One that ended while idle is no document's business."""
        if self._child is not None and self._child.process.poll() is not None:
            self._drop()
        self._child = self._child or _Child(self._memory_mb)
        try:
            self._child.await_ready()
        except (_Ended, TimeoutError) as error:
            raise Unavailable(f"The parser process did not start (exit status {self._drop()}).") from error
        return self._child

    def _drop(self) -> int | None:
        child, self._child = self._child, None
        return None if child is None else child.end()

    def _verdict(self, status: int | None, *, fresh: bool) -> Exception:
        if status == -signal.SIGPROF:
            return DocumentRejected(f"Reading it takes more than {self._cpu_s:g} s of CPU time", reason="too_expensive")
        if status is not None and -status in _FROM_OUTSIDE:
            return ParserKilled(f"the parser process was ended by signal {-status}")
        if not fresh:
            return _Suspect()
        return DocumentRejected("The parser process dies of it", reason="parser_died")

    def _believed(self, kind: bytes, body: bytes) -> tuple[Answer, bytes]:
        """The answer, once it is seen to be one."""
        try:
            if kind == PARSED:
                return checked(body), body
            refusal = msgspec.json.decode(body, type=Refusal)
        except ValueError as error:
            self._drop()
            raise ParserKilled("the parser process gave no answer that can be read") from error
        if kind == REFUSED and refusal.reason in REASONS:
            raise DocumentRejected(refusal.detail[:1000], reason=refusal.reason)
        log.warning("the parser process failed: %s", refusal.detail[:10_000])
        raise ParserKilled(f"the parser process failed with {refusal.reason[:100]}")


class _Ended(Exception):
    """The other end of the pipe is closed."""


class _Child:
    """The process and its two pipes, none of which can block the worker."""

    def __init__(self, memory_mb: int) -> None:
        safe = ["-P"] if sys.flags.safe_path else []
        command = [sys.executable, *safe, "-m", "ingestion.parse.child", str(os.getpid()), str(memory_mb)]
        kept = {name: value for name in _KEPT if (value := os.environ.get(name)) is not None}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept | _ALONE,
            start_new_session=True,  # Ctrl-C in a terminal is the worker's to heed
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._questions, self._answers = self.process.stdin, self.process.stdout
        os.set_blocking(self._questions.fileno(), False)
        os.set_blocking(self._answers.fileno(), False)
        self.fresh = True
        self._is_ready = False

    def await_ready(self) -> None:
        if not self._is_ready:
            kind, _, _ = self._exchange([], START_S)
            if kind != READY:
                raise _Ended
            self._is_ready = True

    def ask(self, question: bytes, data: bytes, limit_s: float) -> tuple[bytes, bool, bytes]:
        """Raises ``_Ended``; :class:`ParserKilled` past the limit; :class:`DocumentRejected` for a flood."""
        try:
            return self._exchange([REQUEST.pack(len(question), len(data)) + question, data], limit_s)
        except TimeoutError as error:
            raise ParserKilled(f"the parser process gave no answer in {limit_s:g} s") from error

    def _exchange(self, parts: list[bytes], limit_s: float) -> tuple[bytes, bool, bytes]:
        deadline = time.monotonic() + limit_s
        rest = [memoryview(part) for part in parts if part]
        answer = bytearray()
        watch = select.poll()
        watch.register(self._answers, select.POLLIN)
        if rest:
            watch.register(self._questions, select.POLLOUT)
        while True:
            ready = dict(watch.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not ready:
                raise TimeoutError
            if self._questions.fileno() in ready and rest:
                self._write(rest)
                if not rest:
                    watch.unregister(self._questions)
            if self._answers.fileno() in ready and self._take(answer):
                kind, worn, _ = ANSWER.unpack_from(answer)
                return kind, worn, bytes(memoryview(answer)[ANSWER.size :])

    def _write(self, rest: list[memoryview]) -> None:
        try:
            rest[0] = rest[0][os.write(self._questions.fileno(), rest[0][:_BLOCK]) :]
        except BrokenPipeError:
            rest.clear()  # it has ended: its other pipe says so
        if rest and not rest[0]:
            del rest[0]

    def _take(self, answer: bytearray) -> bool:
        """Read what is there; True once the answer is whole."""
        block = os.read(self._answers.fileno(), _BLOCK)
        if not block:
            raise _Ended
        answer += block
        if len(answer) < ANSWER.size:
            return False
        _, _, size = ANSWER.unpack_from(answer)
        if size > MAX_ANSWER:
            raise DocumentRejected("The text and its structure are larger than is kept", reason="too_large")
        return len(answer) >= ANSWER.size + int(size)

    def end(self) -> int | None:
        """Kill it if it still runs; its exit status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that closed its pipe is about to end by itself, and how it does tells why.
            if self._answers_closed():
                self.process.wait(1.0)
        self.process.kill()
        status = self.process.wait()
        self._questions.close()
        self._answers.close()
        return status

    def _answers_closed(self) -> bool:
        try:
            return os.read(self._answers.fileno(), 1) == b""
        except BlockingIOError:
            return False
