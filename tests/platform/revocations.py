"""Readers at work while their access comes and goes, for the revocation race: secrets, the clocks that say which
requests were begun in the dark, the threads that read, and the threads that revoke and grant.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.platform.conftest import PATIENCE_S, Platform

OPERATIONS = (
    "search", "ask", "stream", "document", "text", "answer", "citations", "answer's trace", "search's trace",
    "conversation",
)  # fmt: skip
MODES = ("hybrid", "dense", "lexical")


class Stopped(Exception):
    """Another thread has failed; this one gives up."""


@dataclass
class Race:
    """What all threads share: the first failure ends the race."""

    platform: Platform
    failures: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fail(self, what: str) -> None:
        with self.changed:
            self.failures.append(what)
            self.changed.notify_all()

    def wait_for(self, done: Callable[[], bool], what: str) -> None:
        with self.changed:
            in_time = self.changed.wait_for(lambda: self.failures or done(), PATIENCE_S)
        if self.failures:
            raise Stopped
        if not in_time:
            self.fail(f"{what} did not come about in time")
            raise Stopped


@dataclass
class Secret:
    """One document and its one reader, whose access is taken away and given back by ``revoke`` and ``grant``.

    ``dark`` numbers the present time without access: set once the revoking call has returned, None again before the
    granting call is sent. A request that finds the same number before it is sent and after it has returned was begun
    after the revocation and answered before the grant, so its response must not show a trace of the document.
    """

    name: str
    question: str
    marks: tuple[str, ...]
    """What no response may contain in the dark: document id, external id, title, and the fact it is about."""
    headers: dict[str, str]
    document_id: str
    revoke: Callable[[int], Any]
    grant: Callable[[int], Any]
    rounds: int
    answer: Any = None
    trace_of_search: str = ""
    dark: int | None = None
    over: bool = False
    in_the_dark: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def shown(self, body: str) -> list[str]:
        return [mark for mark in self.marks if mark in body]

    def request(self, operation: str, rng: random.Random) -> dict[str, Any]:
        """Method, path and body of one read."""
        own = {"search": "/v1/search", "ask": "/v1/ask", "stream": "/v1/ask"}
        if operation in own:
            body: dict[str, Any] = {"limit": 3}
            if operation == "search":
                body |= {"query": self.question, "mode": rng.choice(MODES)}
            else:
                body |= {"question": self.question, "conversation_id": self.name, "stream": operation == "stream"}
            return {"method": "POST", "url": own[operation], "json": body}
        paths = {
            "document": f"/v1/documents/{self.document_id}",
            "text": f"/v1/documents/{self.document_id}/text",
            "answer": f"/v1/answers/{self.answer['answer_id']}",
            "citations": f"/v1/answers/{self.answer['answer_id']}/citations",
            "answer's trace": f"/v1/traces/{self.answer['trace_id']}",
            "search's trace": f"/v1/traces/{self.trace_of_search}",
            "conversation": f"/v1/conversations/{self.name}",
        }
        return {"method": "GET", "url": paths[operation]}


def read_on(race: Race, secret: Secret, seed: int) -> None:
    """Ask, search and read as the secret's reader until its rounds are over."""
    rng = random.Random(seed)
    with httpx.Client(base_url=race.platform.http.base_url, timeout=30) as http:
        while not (secret.over or race.failures):
            operation = rng.choice(OPERATIONS)
            request = secret.request(operation, rng)
            before, headers = secret.dark, secret.headers
            response = http.request(**request, headers=headers)
            body, shown = response.text, secret.shown(response.text)
            if response.status_code >= 500:
                race.fail(f"{secret.name}: {operation} gave {response.status_code}: {body}")
            with race.changed:
                if before is not None and secret.dark == before:
                    if shown:
                        race.fail(f"{secret.name}, round {before}: {operation} begun after it shows {shown}: {body}")
                    secret.in_the_dark[operation] += 1
                elif shown:
                    secret.seen[operation] += 1
                    _remember(secret, operation, response)
                race.changed.notify_all()


def _remember(secret: Secret, operation: str, response: httpx.Response) -> None:
    """What was made of the document while it might be read is read again, in the light and in the dark."""
    if operation == "ask" and response.json()["kind"] == "answer":
        secret.answer = response.json()
    if operation == "search":
        secret.trace_of_search = response.json()["trace_id"]


def come_and_go(race: Race, secret: Secret, pairs: int) -> None:
    """Revoke, until ``pairs`` requests have been begun and answered in the dark; grant, until it is seen again."""
    for n in range(secret.rounds):
        secret.revoke(n)
        with race.changed:
            secret.dark, enough = n, secret.in_the_dark.total() + pairs
        race.wait_for(lambda: secret.in_the_dark.total() >= enough, f"{secret.name}: reading in the dark")  # noqa: B023
        with race.changed:
            secret.dark, before = None, secret.seen.total()
        secret.grant(n)
        race.wait_for(lambda: secret.seen.total() > before, f"{secret.name}: seeing it again")  # noqa: B023
    secret.over = True


def run(race: Race, secrets: Sequence[Secret], *, readers: int, pairs: int, seed: int) -> None:
    """Every secret with ``readers`` reading threads and one that changes its access, all at once."""

    def watched(work: Callable[..., None], *given: Any) -> None:
        try:
            work(race, *given)
        except Stopped:
            return
        except BaseException as error:
            race.fail(f"{work.__name__}: {error!r}")
            raise

    with ThreadPoolExecutor(len(secrets) * (readers + 1)) as pool:
        for n, secret in enumerate(secrets):
            pool.submit(watched, come_and_go, secret, pairs)
            for reader in range(readers):
                pool.submit(watched, read_on, secret, seed + 100 * n + reader)
    assert not race.failures, race.failures[0]
