"""Calls of a model in a lane, tried again where that helps, and left out while it fails; by a clock of the test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable
from vouch.gateway.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, OPENS_AT, Breaker
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftRequest, Hear
from vouch.gateway.lane import Full, Lane
from vouch.gateway.steady import Steady

REQUEST = DraftRequest("q", (), "p")
REPLY = ChatReply(Draft((), insufficient=True), "m", ChatUsage(1, 1, 1))


class Scripted:
    """Fails for each reason in turn, then answers."""

    name = "scripted"

    def __init__(self, *reasons: str, retry_after_s: float | None = None) -> None:
        self.reasons, self.calls = list(reasons), list[float]()
        self._retry_after_s = retry_after_s

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        self.calls.append(timeout_s)
        if not self.reasons:
            return REPLY
        error = ModelUnavailable("failed", reason=self.reasons.pop(0))
        error.retry_after_s = self._retry_after_s
        raise error


def steady(model: Scripted, retries: int = 1, breaker: Breaker | None = None) -> Steady:
    return Steady(model, timeout_s=5, retries=retries, lane=Lane(2, 2), breaker=breaker)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(ModelUnavailable) as failed:
        call()
    return str(failed.value.extra["reason"])


@pytest.mark.parametrize("passing", ["unreachable", "rate_limited", "server_error"])
def test_what_may_pass_is_tried_again(passing: str) -> None:
    model = Scripted(passing)
    assert steady(model).write(REQUEST, Deadline.of(60)) is REPLY
    assert len(model.calls) == 2 and model.calls[1] < model.calls[0] <= 5


@pytest.mark.parametrize("lasting", ["refused", "malformed", "too_long", "timeout"])
def test_what_does_not_pass_is_tried_once(lasting: str) -> None:
    model = Scripted(lasting)
    assert reason(lambda: steady(model, retries=5).write(REQUEST, Deadline.of(60))) == lasting
    assert len(model.calls) == 1


def test_who_asks_to_be_left_alone_for_longer_than_there_is_is_not_waited_for() -> None:
    model = Scripted("rate_limited", retry_after_s=30)
    began = time.monotonic()
    assert reason(lambda: steady(model).write(REQUEST, Deadline.of(60))) == "rate_limited"
    assert len(model.calls) == 1 and time.monotonic() - began < 5


def test_a_call_gets_what_is_left_of_the_time_and_none_without_any() -> None:
    model = Scripted()
    steady(model).write(REQUEST, Deadline.of(2))
    assert model.calls[0] <= 2
    assert reason(lambda: steady(model).write(REQUEST, Deadline.of(0))) == "deadline"
    assert len(model.calls) == 1


def test_a_breaker_opens_tries_once_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    model = Scripted(*["server_error"] * (OPENS_AT + 1))
    one = steady(model, retries=0, breaker=breaker)
    for _ in range(OPENS_AT):
        assert breaker.state == "closed"
        assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == "server_error"
    assert breaker.state == "open"
    assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == "circuit_open"
    assert len(model.calls) == OPENS_AT

    now[0] += FIRST_PAUSE_S
    assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == "server_error"
    now[0] += FIRST_PAUSE_S  # the pause has doubled
    assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == "circuit_open"
    now[0] += FIRST_PAUSE_S
    assert one.write(REQUEST, Deadline.of(60)) is REPLY
    assert breaker.state == "closed"


def test_while_one_call_tries_the_others_are_kept_off() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(OPENS_AT):
        breaker.failed()
    now[0] += FIRST_PAUSE_S
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.passed()  # the one that tried told nothing: another may
    assert breaker.admits()


def test_a_pause_has_an_end() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(100):
        breaker.failed()
    now[0] += LONGEST_PAUSE_S
    assert breaker.admits()


@pytest.mark.parametrize("request_s", ["refused", "malformed", "too_long"])
def test_a_bad_request_says_nothing_of_the_model(request_s: str) -> None:
    breaker = Breaker()
    model = Scripted(*[request_s] * (OPENS_AT + 1))
    one = steady(model, breaker=breaker)
    for _ in range(OPENS_AT + 1):
        assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == request_s
    assert breaker.state == "closed"


def test_a_lane_is_so_wide_and_its_queue_so_long() -> None:
    lane, go = Lane(1, 1), threading.Event()
    taken, told = threading.Event(), list[str]()

    def hold() -> None:
        with lane.turn(Deadline.of(60)):
            taken.set()
            go.wait()

    def wait() -> None:
        with lane.turn(Deadline.of(60)):
            told.append("had a turn")

    holder, waiter = threading.Thread(target=hold), threading.Thread(target=wait)
    holder.start()
    taken.wait()
    with pytest.raises(Full), lane.turn(Deadline.of(0.05)):  # no turn comes in time
        told.append("never")
    waiter.start()
    while not lane.waiting:
        time.sleep(0.001)
    with pytest.raises(Full), lane.turn(Deadline.of(60)):  # the queue is full: at once
        told.append("never")
    go.set()
    holder.join()
    waiter.join()
    assert told == ["had a turn"] and not lane.waiting


def test_a_full_lane_is_a_busy_model() -> None:
    one = Steady(Scripted(), timeout_s=5, retries=0, lane=Lane(1, 0))
    with one._lane.turn(Deadline.of(1)):
        assert reason(lambda: one.write(REQUEST, Deadline.of(60))) == "busy"
    assert one.write(REQUEST, Deadline.of(60)) is REPLY
