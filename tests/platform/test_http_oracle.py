"""The oracle over HTTP: access changes through REST, and every way to read says what the oracle says, at once.

A check is one user and one document decided, by a search whose limit is beyond the documents, by a document, by its
text, or by an answer made from it. Each request carries the token of the last change. What is granted shows in search
when the index has followed; what is taken away shows nowhere from the next request on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.acl.operations import UNMAPPABLE, Names
from tests.acl.oracle import Clauses, Document, Source, World
from tests.platform.conftest import Platform, acting

SOURCE = "s0"
QUERY = "lighthouse of the harbour"


class Tenant:
    """A platform's directory and documents, and the oracle's world beside them."""

    def __init__(self, platform: Platform, rng: Random, names: Names) -> None:
        self.platform, self.rng, self.names = platform, rng, names
        self.checks = self.allowed = 0
        self.token = ""
        self.world = World(sources={SOURCE: Source()})
        self.source = platform.source(f"harbour{rng.randrange(10**9)}")
        for group in names.groups:
            self._put_group(group)
        for user in names.users:
            self._put_user(user, active=True)
        for name in names.documents:
            self._push(name)
        listed = platform.ok("GET", f"/v1/sources/{self.source}/documents?limit=200")["documents"]
        self.ids = {one["external_id"]: one["document_id"] for one in listed}
        self.answers: list[tuple[str, str, frozenset[str]]] = []
        self.deleted: set[str] = set()

    # --- changes ------------------------------------------------------------------------------------

    def change(self) -> None:
        rng, names = self.rng, self.names
        gone = [name for name, one in self.world.documents.items() if one.state == "deleted"]
        if len(gone) > 2:
            self._push(gone[0])
            return
        changes: list[Callable[[], None]] = [
            lambda: self._put_user(rng.choice(names.users), active=rng.random() < 0.7),
            lambda: self._put_group(rng.choice(names.groups)),
            lambda: self._members(rng.choice(names.groups)),
            lambda: self._access(rng.choice(names.documents)),
            lambda: self._access_under(rng.choice(("d1", "d2", ""))),
            lambda: self._remove("users", rng.choice(names.users)),
            lambda: self._remove("groups", rng.choice(names.groups)),
            lambda: self._delete(rng.choice(names.documents)),
        ]
        rng.choices(changes, (3, 3, 5, 6, 1, 1, 1, 1))[0]()

    def _put_user(self, user: str, *, active: bool) -> None:
        self._write("PUT", f"/v1/directory/users/{user[5:]}", json={"name": "U", "active": active})
        self.world = self.world.put("users", user, active)

    def _put_group(self, group: str) -> None:
        members = self.names.members(self.rng)
        self._write("PUT", f"/v1/directory/groups/{group[6:]}", json={"name": "G", "members": sorted(members)})
        self.world = self.world.put("groups", group, members)

    def _members(self, group: str) -> None:
        if group not in self.world.groups:
            return
        add, remove = self.names.members(self.rng), self.names.members(self.rng)
        body = {"add": sorted(add), "remove": sorted(remove)}
        self._write("POST", f"/v1/directory/groups/{group[6:]}/members", json=body)
        self.world = self.world.put("groups", group, self.world.groups[group] - remove | add)

    def _remove(self, kind: str, principal: str) -> None:
        there = self.world.users if kind == "users" else self.world.groups
        if principal in there:
            self._write("DELETE", f"/v1/directory/{kind}/{principal.partition(':')[2]}")
            groups = {group: members - {principal} for group, members in self.world.groups.items()}
            self.world = replace(self.world, groups=groups).put(kind, principal, None)

    def _clauses(self) -> tuple[list[dict[str, list[str]]], Clauses | None]:
        """Over REST nothing is unmappable: it is refused."""
        while True:
            raw, meant = self.names.clauses(self.rng)
            if not any(UNMAPPABLE in (*clause.allow, *clause.deny) for clause in raw):
                return [{"allow": list(clause.allow), "deny": list(clause.deny)} for clause in raw], meant

    def _access(self, name: str) -> None:
        if self.world.documents[name].state == "live":
            said, meant = self._clauses()
            self._write("PUT", f"/v1/sources/{self.source}/documents/{name}/access", json=said)
            self.world = self.world.put("documents", name, Document(SOURCE, meant))

    def _access_under(self, prefix: str) -> None:
        said, meant = self._clauses()
        path = f"/v1/sources/{self.source}/access?prefix={prefix}"
        self._write("PUT", path, json=said)
        for name, document in self.world.documents.items():
            if name.startswith(prefix) and document.state == "live":
                self.world = self.world.put("documents", name, Document(SOURCE, meant))

    def _delete(self, name: str) -> None:
        if self.world.documents[name].state == "live":
            self._write("DELETE", f"/v1/sources/{self.source}/documents/{name}")
            self.world = self.world.put("documents", name, Document(SOURCE, None, "deleted"))
            self.deleted.add(name)

    def _push(self, name: str) -> None:
        said, meant = self._clauses()
        text = (
            f"# Day {name}\n\nThe lighthouse of the harbour is written of in {name}, on day {name[1:]} of the year.\n"
        )
        path = f"/v1/sources/{self.source}/documents/{name}"
        job = self.platform.ended(self.platform.ok("PUT", path, json={"text": text, "access": said})["job_id"])
        assert job["state"] == "succeeded", job
        self.world = self.world.put("documents", name, Document(SOURCE, meant))

    def _write(self, method: str, path: str, **kw: Any) -> None:
        self.token = self.platform.ok(method, path, **kw)["authz_token"]

    # --- what is read -------------------------------------------------------------------------------

    def compare(self) -> None:
        for user in self.names.users:
            allowed = self.world.readable(user)
            found = self._found(user)
            assert found <= allowed, (user, found - allowed)
            if found != allowed:  # what was granted just now
                self.platform.until(lambda user=user, allowed=allowed: self._found(user) == allowed)
            self._count(len(self.names.documents), len(allowed))
            for name in self.rng.sample(self.names.documents, 4):
                for path in (f"/v1/documents/{self.ids[name]}", f"/v1/documents/{self.ids[name]}/text"):
                    assert self._reads(user, path) is (name in allowed), (user, name, path)
                self._count(2, 2 * (name in allowed))
        for asker, path, inputs in self.answers[-5:]:
            for user in self.names.users:
                may = user == asker and self.world.readable_together(user, inputs)
                read = self._reads(user, path)
                assert read is may or (may and inputs & self.deleted), (user, path)
                self._count(len(inputs), len(inputs) * read)

    def ask(self) -> None:
        user = self.rng.choice(self.names.users)
        if not self.world.readable(user):
            return
        answer = self.platform.http.post("/v1/ask", headers=self._headers(user), json={"question": QUERY}).json()
        cited = frozenset(citation["external_id"] for citation in answer["citations"])
        assert cited <= self.world.readable(user)
        if cited:
            self.answers.append((user, f"/v1/answers/{answer['answer_id']}", cited))

    def _found(self, user: str) -> frozenset[str]:
        body = {"query": QUERY, "limit": 50, "rerank": False, "filter": {"source": [self.source]}}
        response = self.platform.http.post("/v1/search", headers=self._headers(user), json=body)
        if not self.world.users.get(user):
            assert response.status_code == 401
            return frozenset()
        assert response.status_code == 200, response.text
        return frozenset(hit["external_id"] for hit in response.json()["hits"])

    def _reads(self, user: str, path: str) -> bool:
        response = self.platform.http.get(path, headers=self._headers(user))
        assert response.status_code in ((200, 404) if self.world.users.get(user) else (401,)), response.text
        return response.status_code == 200

    def _headers(self, user: str) -> dict[str, str]:
        return {**acting(user[5:]), "X-Vouch-At-Least": self.token}

    def _count(self, checks: int, allowed: int) -> None:
        self.checks += checks
        self.allowed += allowed


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        pytest.param(500, Names.of(users=4, groups=5, documents=12), id="500 checks"),
        pytest.param(10_000, Names.of(users=6, groups=8, documents=30), id="10,000 checks", marks=pytest.mark.slow),
    ],
)
def test_every_way_to_read_says_what_the_oracle_says(platform: Platform, wanted: int, names: Names) -> None:
    seed = secrets.randbelow(10**6)
    print(f"\nseed {seed}")
    tenant = Tenant(platform, Random(seed), names)
    changes = 0
    while tenant.checks < wanted:
        tenant.compare()
        tenant.ask()
        tenant.change()
        changes += 1
    print(f"{tenant.checks} checks, {tenant.allowed} allowed, {changes} changes: 0 differences")
    assert 0.02 < tenant.allowed / tenant.checks < 0.98
