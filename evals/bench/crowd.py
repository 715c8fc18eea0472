"""Many streamed answers at once: none may be lost, access that is taken away ends the right ones in time and no others,
and the API is no bigger after the last round than after the first.

The platform is the real one, reached over HTTP; each stream is a user's own. The model answers none of them until some
of the users have been deactivated, one after the other, while all of the streams are open. So most of them wait for a
thread or a turn, and only some have come as far as the model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import numpy as np
import psutil

from evals.bench.report import Report
from evals.modelled import EVERYONE, Modelled, modelled
from vouch.gateway.fake_chat import FakeChat

QUESTION = "How much is reimbursed for a hotel per night?"
DOCUMENTS = {"hotels": ("Hotels are reimbursed up to 140 euros per night.", EVERYONE)}
WITHIN_MS = 1000.0
FLAT = 1.1
"""Memory after the last round ÷ memory after the first, in which everything is loaded."""
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream ended: the name of its last event, with the code of an ``error``; "" where it just broke off."""

    how: str
    at: float


@dataclass(frozen=True, slots=True)
class Round:
    """``took``: seconds from the return of the call that took a user's access to the last byte of their stream.
    ``wrongly``: streams that ended otherwise than they should have; ``answered_s``: how long the rest took, once the
    model answered; ``bytes``: what the API holds after it."""

    took: tuple[float, ...]
    wrongly: Counter[str]
    answered_s: float
    bytes: int


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--streams", type=int, default=200, help="open at once")
    parser.add_argument("--cut", type=int, default=20, help="of them lose their user")
    parser.add_argument("--rounds", type=int, default=4)


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Open all of them, take some users away, let the model answer; again and again."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeChat("held") as model,
        modelled(Path(folder), model, chat_timeout_s=600, ask_deadline_s=600) as platform,
    ):
        platform.push(DOCUMENTS)
        users = [f"reader-{n}" for n in range(arguments.streams)]
        for user in users:
            platform.user(user)
        rounds = [_round(platform, model, users, arguments.cut, seed) for seed in range(arguments.rounds)]
    wrongly = sum((one.wrongly for one in rounds), Counter[str]())
    said = ", ".join(f"{count} {how}" for how, count in wrongly.items())
    told = f" ({said})" if said else ""
    milliseconds = 1000 * np.array([took for one in rounds for took in one.took] or [np.inf])
    report.add(
        f"{arguments.streams} streams at once, {arguments.rounds} rounds: lost{told}", wrongly.total(), "", at_most=0
    )
    by_revocation = f"{arguments.cut} of them cut by revocation"
    report.add(f"{by_revocation}, p50", float(np.percentile(milliseconds, 50)), "ms")
    report.add(f"{by_revocation}, slowest", float(milliseconds.max()), "ms", at_most=WITHIN_MS)
    report.add("the others answered once the model is, slowest round", max(one.answered_s for one in rounds), "s")
    report.add("the API's memory after the first round", rounds[0].bytes / 2**20, "MiB")
    report.add("  after the last ÷ after the first", rounds[-1].bytes / rounds[0].bytes, "", at_most=FLAT)


def _round(platform: Modelled, model: FakeChat, users: Sequence[str], cut: int, seed: int) -> Round:
    model.behave("held")
    leaving = Random(seed).sample(users, cut)  # noqa: S311
    opened = threading.Semaphore(0)
    client = httpx.Client(
        base_url=platform.http.base_url,
        headers=platform.http.headers,
        timeout=PATIENCE_S,
        limits=httpx.Limits(max_connections=None),
    )
    with client as http, ThreadPoolExecutor(len(users)) as pool:
        ends = {user: pool.submit(_stream, http, user, opened) for user in users}
        for _ in users:
            if not opened.acquire(timeout=PATIENCE_S):
                raise RuntimeError("not every stream was opened")
        lost = {}
        for user in leaving:
            platform.user(user, active=False)
            lost[user] = time.monotonic()
        took = [ends[user].result().at - at for user, at in lost.items() if _was_cut(ends[user])]
        began = time.monotonic()
        model.release()
        wrongly = Counter(_wrong(user, ends[user].result(), lost) for user in users)
        answered_s = time.monotonic() - began
    del wrongly[""]
    for user in leaving:
        platform.user(user)
    return Round(tuple(took), wrongly, answered_s, _memory())


def _stream(http: httpx.Client, user: str, opened: threading.Semaphore) -> Ended:
    last = ""
    body = {"question": QUESTION, "stream": True}
    try:
        with http.stream("POST", "/v1/ask", json=body, headers={"X-Vouch-As": f"user:{user}"}) as response:
            opened.release()
            if response.status_code != httpx.codes.OK:
                return Ended(f"status {response.status_code}", time.monotonic())
            for line in response.iter_lines():
                if line.startswith("event:"):
                    last = line.removeprefix("event:").strip()
                elif line.startswith("data:") and last == "error":
                    last = f"error {json.loads(line.removeprefix('data:'))['code']}"
    except httpx.TransportError as error:
        opened.release()
        return Ended(type(error).__name__, time.monotonic())
    return Ended(last, time.monotonic())


def _was_cut(end: Future[Ended]) -> bool:
    return end.result(timeout=PATIENCE_S).how == "error unauthenticated"


def _wrong(user: str, end: Ended, lost: dict[str, float]) -> str:
    """How a stream ended that should have ended otherwise; "" where it should not."""
    wanted = "error unauthenticated" if user in lost else "answer"
    return "" if end.how == wanted else f"{end.how or 'broken off'} instead of {wanted}"


def _memory() -> int:
    """Of the process that serves HTTP, which is a child of this one."""
    served = (one for one in psutil.Process().children(recursive=True) if "serve" in one.cmdline())
    return sum(int(one.memory_info().rss) for one in served)
