"""Does every question end in time, whatever a model's server does? In an answer, by whichever writer, or an error that
says what failed.

``python -m evals.failing``. A platform reached over HTTP, whose model's server times out, refuses, fails, is cut off or
sends what is no JSON, question after question, whole and streamed. Between two failures it works once, so that the
model is not left out for having failed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import httpx

from evals.modelled import EVERYONE, Modelled, modelled
from vouch.gateway.fake_chat import FakeChat

FAILURES = (
    "hangs", "rate_limited", "server_error", "truncated_json", "truncated_output", "garbage", "wrong_schema",
    "refuses_key",
)  # fmt: skip
EACH = 3
"""Questions of each failure, whole and streamed."""
DEADLINE_S = 12.0
CALL_S = 3.0
MARGIN_S = 2.0
"""What a request takes besides its question: the client's part, and the machine's other work."""
READER = "reader"
QUESTION = "How much is reimbursed for a hotel per night?"
DOCUMENTS = {"hotels": ("Hotels are reimbursed up to 140 euros per night.", EVERYONE)}


@dataclass(frozen=True, slots=True)
class FailingReport:
    """``ended``: how questions ended, by failure; ``late``: those that ended after their deadline; ``slowest_s``."""

    name: str
    asked: int
    ended: dict[str, dict[str, int]]
    late: int
    slowest_s: float

    @property
    def unclear(self) -> int:
        """Ended neither in an answer nor in an error of a code that is about the model."""
        clear = ("answer", "fallback", "abstention", "error model_unavailable")
        return sum(count for ends in self.ended.values() for how, count in ends.items() if how not in clear)

    def figures(self) -> dict[str, float]:
        good = self.asked - max(self.late, 0) - self.unclear
        return {
            "guards.failing.ended": good / self.asked,
            "guards.failing.late": float(self.late),
            "guards.failing.unclear": float(self.unclear),
            "guards.failing.slowest_s": self.slowest_s,
        }

    def remarks(self) -> str:
        lines = (
            f"  {failure}: {', '.join(f'{n} {how}' for how, n in ends.items())}\n"
            for failure, ends in self.ended.items()
        )
        return f"{self.name}: {self.asked} questions within {DEADLINE_S:g} s each\n{''.join(lines)}"


def run(_: Path, *, each: int = EACH) -> FailingReport:
    """Asks a platform of its own; the evaluation data has no part in it."""
    given = {"chat_timeout_s": CALL_S, "ask_deadline_s": DEADLINE_S}
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeChat("honest") as model,
        modelled(Path(folder), model, **given) as platform,
    ):
        platform.user(READER)
        platform.push(DOCUMENTS)
        _asked(platform, stream=False)  # what is loaded with the first question is none of the model's
        ended: dict[str, Counter[str]] = {}
        took: list[float] = []
        for failure in FAILURES:
            counts = ended.setdefault(failure, Counter())
            for n in range(2 * each):
                model.behave("honest")
                _asked(platform, stream=False)
                model.behave(failure)
                how, seconds = _asked(platform, stream=bool(n % 2))
                counts[how] += 1
                took.append(seconds)
    late = sum(seconds > DEADLINE_S + MARGIN_S for seconds in took)
    return FailingReport("failing", len(took), {name: dict(c) for name, c in ended.items()}, late, max(took))


def _asked(platform: Modelled, *, stream: bool) -> tuple[str, float]:
    """How the question ended, and how long that took."""
    began = time.monotonic()
    body = {"question": QUESTION, "stream": stream}
    try:
        response = platform.http.post("/v1/ask", json=body, headers={"X-Vouch-As": f"user:{READER}"})
        how = _streamed(response) if stream and response.status_code == httpx.codes.OK else _whole(response)
    except httpx.TransportError as error:
        how = type(error).__name__
    return how, time.monotonic() - began


def _whole(response: httpx.Response) -> str:
    told = response.json()
    if response.status_code != httpx.codes.OK:
        return f"error {told['code']}"
    if told["kind"] == "abstention":
        return "abstention"
    return "fallback" if told["usage"]["writer"] == "extractive" else "answer"


def _streamed(response: httpx.Response) -> str:
    """By its last event."""
    name = data = ""
    for line in response.text.splitlines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data = line.removeprefix("data:")
    if name == "error":
        return f"error {json.loads(data)['code']}"
    return _whole(httpx.Response(200, text=data)) if name == "answer" else "broken off"


if __name__ == "__main__":
    sys.exit(import_module("evals.__main__").main(["guards", "--set", "failing", *sys.argv[1:]]))
