"""A chat model that nobody waits for in vain: called in a lane, tried again where that helps, left out while it fails.

To be asked twice does no harm: a draft changes nothing anywhere. What a second try cannot mend is not tried twice, nor
is one of which a part was heard already.
"""

from __future__ import annotations

import random
import time

from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable
from vouch.gateway.breaker import Breaker
from vouch.gateway.chat import ChatModel, ChatReply, DraftClaim, DraftRequest, Hear
from vouch.gateway.lane import Full, Lane

LEAST_S = 0.5
"""A call is not begun with less time than this."""
RETRIED = frozenset({"unreachable", "rate_limited", "server_error"})
"""Failures that may pass within seconds. A timeout has used up its time."""
BREAKING = RETRIED | {"timeout"}
"""Failures of the model rather than of the request."""
_FIRST_PAUSE_S = 0.25


class Steady:
    """Shared by threads. ``timeout_s`` bounds a call, its turn and all tries included."""

    def __init__(
        self, model: ChatModel, *, timeout_s: float, retries: int, lane: Lane, breaker: Breaker | None = None
    ) -> None:
        self.name = model.name
        self.breaker = breaker or Breaker()
        self._model, self._timeout_s, self._retries, self._lane = model, timeout_s, retries, lane

    def write(self, request: DraftRequest, deadline: Deadline, hear: Hear | None = None) -> ChatReply:
        """A draft before ``deadline``; with ``hear``, told of as it is written.

        Raises :class:`ModelUnavailable` with the reasons of a chat model, and
        ``busy``, ``circuit_open`` and ``deadline``."""
        end = min(deadline, Deadline.of(self._timeout_s), key=lambda one: one.at)
        try:
            with self._lane.turn(end):
                return self._try(request, end, Heard(hear) if hear else None)
        except Full:
            raise self._unavailable("busy", "has as many questions as it can take") from None

    def _try(self, request: DraftRequest, end: Deadline, heard: Heard | None) -> ChatReply:
        for tried in range(self._retries + 1):
            try:
                return self._once(request, end, heard)
            except ModelUnavailable as error:
                pause = _pause(tried, error)
                again = error.extra["reason"] in RETRIED and tried < self._retries and not (heard and heard.any)
                if not again or pause + LEAST_S > end.remaining():
                    raise
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, request: DraftRequest, end: Deadline, heard: Heard | None) -> ChatReply:
        left = end.remaining()
        if left < LEAST_S:
            raise self._unavailable("deadline", "was not asked, for there was no time left")
        if not self.breaker.admits():
            raise self._unavailable("circuit_open", "failed too often and is left out for a while")
        try:
            reply = self._model.write(request, left, heard) if heard else self._model.write(request, left)
        except ModelUnavailable as error:
            self.breaker.failed() if error.extra["reason"] in BREAKING else self.breaker.passed()
            raise
        except BaseException:
            self.breaker.passed()
            raise
        self.breaker.succeeded()
        return reply

    def _unavailable(self, reason: str, words: str) -> ModelUnavailable:
        return ModelUnavailable(f"The chat model {self.name} {words}.", reason=reason)


class Heard:
    """Passes claims on, and knows whether there was any."""

    def __init__(self, hear: Hear) -> None:
        self._hear, self.any = hear, False

    def __call__(self, claim: DraftClaim) -> None:
        self.any = True
        self._hear(claim)


def _pause(tried: int, error: ModelUnavailable) -> float:
    """What the server asks for, else twice as long each time; not to the moment, so that many do not come at once."""
    least = error.retry_after_s or _FIRST_PAUSE_S * 2**tried
    return least * random.uniform(1.0, 1.5)  # noqa: S311 - spread, not a secret
