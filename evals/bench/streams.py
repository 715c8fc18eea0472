"""How soon an open stream ends: from the return of the call that took away its user or its key to its last byte.

The platform is the real one, reached over HTTP; its model does not answer while the streams are open, so nothing is
flushed. Ten streams are open at a time, and lose what they were opened on one after another.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from evals.bench.report import Report
from evals.modelled import EVERYONE, modelled
from vouch.gateway.fake_chat import FakeChat

AT_ONCE = 10
WITHIN_MS = 1000.0
QUESTION = "How much is reimbursed for a hotel per night?"
DOCUMENTS = {"hotels": ("Hotels are reimbursed up to 140 euros per night.", EVERYONE)}
"""One that everyone may read, so that the model is asked."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--streams", type=int, default=50, help="how many are cut, all told")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Cut streams by deactivating their users and by revoking their keys, in turn."""
    took: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeChat("held") as model,
        modelled(Path(folder), model, chat_timeout_s=600) as platform,
    ):
        platform.push(DOCUMENTS)
        for first in range(0, arguments.streams, AT_ONCE):
            model.behave("held")
            took += _cut(platform.http, range(first, min(first + AT_ONCE, arguments.streams)))
            model.release()
    milliseconds = 1000 * np.array(took)
    report.add("open stream cut, p50", float(np.percentile(milliseconds, 50)), "ms")
    report.add("open stream cut, p95", float(np.percentile(milliseconds, 95)), "ms")
    report.add("open stream cut, slowest", float(milliseconds.max()), "ms", at_most=WITHIN_MS)


def _cut(http: httpx.Client, numbers: range) -> list[float]:
    with ThreadPoolExecutor(len(numbers)) as pool:
        opened = [_open(http, n) for n in numbers]
        ends = [pool.submit(_end, stream) for _, stream in opened]
        lost = []
        for end, _ in opened:
            end()
            lost.append(time.monotonic())
        return [end.result() - at for end, at in zip(ends, lost, strict=True)]


def _open(http: httpx.Client, n: int) -> tuple[Callable[[], object], Iterator[str]]:
    """How to end it, and the stream of a user of its own, which has come as far as the model."""
    user = f"/v1/directory/users/reader-{n}"
    _ok(http.put(user, json={"name": "Reader"}))
    made = {"name": "reader", "scopes": ["ask"], "user": f"user:reader-{n}"}
    key = _ok(http.post("/v1/keys", json=made)).json()
    request = http.build_request(
        "POST",
        "/v1/ask",
        json={"question": QUESTION, "stream": True},
        headers={"Authorization": f"Bearer {key['key']}"},
    )
    lines = _ok(http.send(request, stream=True)).iter_lines()
    while '"generate"' not in next(lines):
        pass
    if n % 2:
        return lambda: _ok(http.delete(f"/v1/keys/{key['id']}")), lines
    return lambda: _ok(http.put(user, json={"name": "Reader", "active": False})), lines


def _end(lines: Iterator[str]) -> float:
    """When the last byte came. Raises :class:`RuntimeError` for a stream that ended in another way."""
    said = "\n".join(lines)
    if "unauthenticated" not in said:
        raise RuntimeError(f"the stream was not cut but said {said!r}")
    return time.monotonic()


def _ok(response: httpx.Response) -> httpx.Response:
    return response.raise_for_status()
