"""The revocation race: access comes and goes while many readers ask, search and read over HTTP.

No response to a request that was begun after the revoking call had returned, and answered before access was given
back, shows a trace of the document: not its id, not its external id, not its title, not a word of what it says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.platform.conftest import Platform
from tests.platform.revocations import OPERATIONS, Race, Secret, run

SEED = 20_260
NOBODY: list[Any] = []


class Arena:
    """Makes the secrets: each has a reader, a topic and marks of its own."""

    def __init__(self, platform: Platform, folder: Path, seed: int) -> None:
        self.platform, self.folder, self.rng = platform, folder, random.Random(seed)

    def text(self, bird: str, title: str, fact: str) -> str:
        return f"# {title}\n\nThe {bird} colony on the western cliffs counts {fact} breeding pairs this year.\n"

    def pushed(self, bird: str, clauses: list[Any], **given: Any) -> tuple[Secret, str, dict[str, Any]]:
        """A document that its reader may read at first, in a source of its own; ``revoke`` and ``grant`` are to be
        set. Returns it, the path of the document, and the body it was pushed with."""
        platform = self.platform
        platform.ok("PUT", f"/v1/directory/users/{bird}-reader", json={"name": "Reader"})
        source = platform.source(f"race-{bird}")
        title, external_id, fact = (f"{word}{self.rng.randrange(10**9):09}" for word in ("Census", "paper", "no"))
        path = f"/v1/sources/{source}/documents/{external_id}"
        body = {"text": self.text(bird, title, fact), "title": title, "access": clauses}
        assert platform.ended(platform.ok("PUT", path, json=body)["job_id"])["state"] == "succeeded"
        return self._secret(bird, (external_id, title, fact), **given), path, body

    def _secret(self, bird: str, marks: tuple[str, ...], rounds: int = 0) -> Secret:
        platform = self.platform
        question = f"How many breeding pairs does the {bird} colony count?"
        secret = Secret(bird, question, marks, {}, "", print, print, rounds)
        self._new_key(secret)

        def found() -> Any:
            return platform.ok("POST", "/v1/search", headers=secret.headers, json={"query": question})["hits"]

        secret.document_id = platform.until(found)[0]["document_id"]
        secret.marks = (secret.document_id, *marks)
        return secret

    def _new_key(self, secret: Secret) -> str:
        """Give the reader another key; its id."""
        body = {"name": secret.name, "scopes": ["ask"], "user": f"user:{secret.name}-reader"}
        made = self.platform.ok("POST", "/v1/keys", json=body)
        secret.headers = {"Authorization": f"Bearer {made['key']}"}
        return str(made["id"])

    # --- the ways to lose access, and to have it again -------------------------------------------------

    def membership(self) -> Secret:
        """By way of a nested group, which is left, cut off or deleted."""
        platform, inner, outer = self.platform, "/v1/directory/groups/race-inner", "/v1/directory/groups/race-outer"

        def put(members: list[str]) -> None:
            platform.ok("PUT", inner, json={"name": "Inner", "members": ["user:kestrel-reader"]})
            platform.ok("PUT", outer, json={"name": "Outer", "members": members})

        def revoke(n: int) -> None:
            if n % 3 == 0:
                platform.ok("POST", f"{inner}/members", json={"remove": ["user:kestrel-reader"]})
            elif n % 3 == 1:
                platform.ok("PUT", outer, json={"name": "Outer", "members": []})
            else:
                platform.ok("DELETE", outer)

        platform.ok("PUT", "/v1/directory/users/kestrel-reader", json={"name": "Reader"})
        put(["group:race-inner"])
        secret, _, _ = self.pushed("kestrel", [{"allow": ["group:race-outer"]}])
        secret.revoke = revoke
        secret.grant = lambda n: (
            put(["group:race-inner"])
            if n % 3
            else platform.ok("POST", f"{inner}/members", json={"add": ["user:kestrel-reader"]})
        )
        return secret

    def clauses(self) -> Secret:
        """The document's own access: another reader, a deny, a further clause, nobody."""
        mine = [{"allow": ["user:bittern-reader"]}]
        others: list[list[Any]] = [
            [{"allow": ["user:bob"]}],
            [{"allow": ["user:bittern-reader"], "deny": ["user:bittern-reader"]}],
            [*mine, {"allow": ["authenticated"], "deny": ["authenticated"]}],
            [*mine, {"allow": ["user:bob"]}],
            NOBODY,
        ]
        secret, path, _ = self.pushed("bittern", mine)
        secret.revoke = lambda n: self.platform.ok("PUT", f"{path}/access", json=others[n % len(others)])
        secret.grant = lambda n: self.platform.ok("PUT", f"{path}/access", json=mine)
        return secret

    def user(self) -> Secret:
        """The reader's account is closed, or is removed, and its key with it."""
        secret, _, _ = self.pushed("wheatear", [{"allow": ["authenticated"]}])
        account = "/v1/directory/users/wheatear-reader"

        def revoke(n: int) -> None:
            if n % 4 == 3:
                self.platform.ok("DELETE", account)
            else:
                self.platform.ok("PUT", account, json={"name": "Reader", "active": False})

        def grant(_: int) -> None:
            self.platform.ok("PUT", account, json={"name": "Reader", "active": True})
            self._new_key(secret)

        secret.revoke, secret.grant = revoke, grant
        return secret

    def key(self) -> Secret:
        """The reader's only key is revoked; later there is another."""
        secret, _, _ = self.pushed("dunnock", [{"allow": ["user:dunnock-reader"]}])
        keys = [self._new_key(secret)]
        secret.revoke = lambda n: self.platform.ok("DELETE", f"/v1/keys/{keys.pop()}")
        secret.grant = lambda n: keys.append(self._new_key(secret))
        return secret

    def deletion(self) -> Secret:
        """The document is deleted, and pushed anew."""
        secret, path, body = self.pushed("redpoll", [{"allow": ["user:redpoll-reader"]}])
        secret.revoke = lambda n: self.platform.ok("DELETE", path)

        def grant(_: int) -> None:
            assert self.platform.ended(self.platform.ok("PUT", path, json=body)["job_id"])["state"] == "succeeded"

        secret.grant = grant
        return secret

    def folder(self) -> Secret:
        """The rules of the folder that holds the file are changed, and its access is read again."""
        rules, title, fact = (
            self.folder / "birds" / ".vouch.yaml",
            "Census777777777",
            f"no{self.rng.randrange(10**9):09}",
        )
        rules.parent.mkdir(parents=True)
        (rules.parent / "file888888888.md").write_text(self.text("fulmar", title, fact))
        self.platform.ok("PUT", "/v1/directory/users/fulmar-reader", json={"name": "Reader"})

        def put(reader: str) -> None:
            rules.write_text(f"access: {{allow: [user:{reader}]}}\n")

        put("fulmar-reader")
        source = self.platform.source("race-fulmar", kind="filesystem", config={"path": str(self.folder)})
        assert self.platform.synced(source)["state"] == "succeeded"
        secret = self._secret("fulmar", ("file888888888", title, fact))

        def change(reader: str) -> None:
            put(reader)
            assert self.platform.synced(source, "access")["state"] == "succeeded"

        secret.revoke = lambda n: change("bob")
        secret.grant = lambda n: change("fulmar-reader")
        return secret


WAYS: dict[Callable[[Arena], Secret], int] = {
    Arena.membership: 64, Arena.clauses: 64, Arena.user: 32, Arena.key: 26, Arena.deletion: 6, Arena.folder: 8,
}  # fmt: skip
"""Rounds of each in 200: the last two wait for a worker to read the document again."""


@pytest.mark.parametrize("rounds", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_response_begun_after_a_revocation_shows_the_document(
    platform: Platform, tmp_path: Path, rounds: int
) -> None:
    print(f"seed {SEED}")
    arena = Arena(platform, tmp_path, SEED)
    secrets = [way(arena) for way in WAYS]
    for secret, share in zip(secrets, WAYS.values(), strict=True):
        secret.rounds = share * rounds // 200
        _warm(platform, secret)
    race = Race(platform)
    began = time.monotonic()
    run(race, secrets, readers=2, pairs=2, seed=SEED)
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s")
    for secret in secrets:
        print(secret.name, secret.rounds, "rounds; in the dark", dict(secret.in_the_dark), "seen", dict(secret.seen))
    assert sum(secret.rounds for secret in secrets) == rounds
    assert sum(secret.in_the_dark.total() for secret in secrets) >= 2 * rounds
    for secret in secrets:
        _warm(platform, secret)
    assert platform.verified().clean


def _warm(platform: Platform, secret: Secret) -> None:
    """Every way of reading shows the document while it may be read: a race that hides it always would prove nothing."""
    rng = random.Random(SEED)

    def show(operation: str) -> Any:
        response = platform.http.request(**secret.request(operation, rng), headers=secret.headers)
        return response if response.status_code == 200 and secret.shown(response.text) else None

    secret.answer = platform.until(lambda: show("ask")).json()
    secret.trace_of_search = platform.until(lambda: show("search")).json()["trace_id"]
    for operation in OPERATIONS:
        if operation != "conversation":  # holds the reader's own words alone
            assert platform.until(lambda operation=operation: show(operation)), operation  # type: ignore[misc]
