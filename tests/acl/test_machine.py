"""The oracle against the engine while both change: one step at a time with Hypothesis, and many writers at once.

A check is one user and one document decided. Under concurrency a reader takes the epoch and the decisions from one
snapshot and compares them with the oracle's world of that epoch, which the writer recorded under the tenant's lock.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from acl import history, resolve
from acl.assign import digest
from tests.acl import twin
from tests.acl.operations import OPERATIONS, WEIGHTS, History, Names, Operation
from tests.acl.oracle import Refused
from vouch.catalog import epoch as epochs
from vouch.catalog.database import Catalog
from vouch.core.errors import AccessIncomplete, NotFound, Unauthenticated, Unavailable

TENANTS = ("acme", "other")
"""Both have users, groups and documents of the same names."""
MOST_PRINCIPALS = 11
NOBODY = history.DocumentThen(None, deleted=False)


@pytest.fixture
def _small_closures(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that some closures are too large to be complete."""
    for module in (resolve, history):
        monkeypatch.setattr(module, "CLOSURE_LIMIT", MOST_PRINCIPALS)


pytestmark = pytest.mark.usefixtures("_small_closures")


# --- one step at a time -----------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    names = Names.of(users=4, groups=5, documents=8)

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self.catalog = catalog
        twin.empty(catalog)
        self.histories: dict[str, History] = {}
        for tenant in TENANTS:
            world = self.names.world(Random(tenant), most_principals=MOST_PRINCIPALS)
            twin.lay(catalog, tenant, world)
            self.histories[tenant] = History(_epoch(catalog, tenant), world)

    @rule(
        tenant=st.sampled_from(TENANTS),
        operation=st.sampled_from(OPERATIONS),
        rng=st.randoms(use_true_random=False),
    )
    def step(self, tenant: str, operation: Operation, rng: Random) -> None:
        past = self.histories[tenant]
        try:
            with self.catalog.transaction(tenant) as session:
                epoch, effect = operation(session, tenant, self.names, rng)
        except NotFound:
            assert operation.__name__ in ("delete_user", "delete_group", "change_members")
            return
        if epoch is None:
            assert effect(past.newest) == past.newest
        else:
            past.record(epoch, effect)

    @invariant()
    def decided_alike(self) -> None:
        for tenant, past in self.histories.items():
            with self.catalog.reading(tenant) as session:
                for user in self.names.users:
                    found = twin.readable(session, tenant, user, self.names.documents)
                    assert found == past.newest.readable(user)


def test_every_step_leaves_both_alike(catalog: Catalog) -> None:
    run_state_machine_as_test(
        lambda: Machine(catalog), settings=settings(max_examples=12, stateful_step_count=15, deadline=None)
    )


# --- many at once -----------------------------------------------------------------------------------


@dataclass
class Run:
    """Writers change two tenants while readers compare, until ``wanted`` checks are done."""

    catalog: Catalog
    seed: int
    wanted: int
    names: Names
    histories: dict[str, History] = field(default_factory=dict)
    checks: int = 0
    allowed: int = 0
    changes: int = 0
    undone: int = 0
    """Changes that met another's and were to be tried again."""
    epochs: set[tuple[str, int]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def go(self, *, writers: int, readers: int) -> None:
        for tenant in TENANTS:
            world = self.names.world(Random(f"{self.seed} {tenant}"), most_principals=MOST_PRINCIPALS)
            twin.lay(self.catalog, tenant, world)
            self.histories[tenant] = History(_epoch(self.catalog, tenant), world)
        work = [(self._write, n) for n in range(writers)] + [(self._read, n) for n in range(readers)]
        with ThreadPoolExecutor(len(work)) as pool:
            running = [pool.submit(self._until_over, part, n) for part, n in work]
            for one in running:
                one.result()

    def compare_with_history(self, rng: Random, *, epochs_each: int) -> int:
        """What the catalog's history says of past epochs, against the oracle's worlds of then. Returns the checks."""
        checks = 0
        for tenant, past in self.histories.items():
            for epoch in rng.sample(past.epochs, min(epochs_each, len(past.epochs))):
                world = past.at(epoch)
                with self.catalog.reading(tenant) as session:
                    then = history.documents_at(session, tenant, epoch, self.names.documents)
                    for name, document in world.documents.items():
                        wanted = digest(twin.acl_of(document.acl) or ()) if document.acl else None
                        assert then.get(name, NOBODY).acl_id == wanted, (self.seed, tenant, epoch, name)
                    for user in self.names.users:
                        found = _principals(partial(history.access_at, session, tenant, user, epoch))
                        assert found == _principals(partial(world.principals, user)), (self.seed, tenant, epoch, user)
                checks += len(self.names.users) + len(self.names.documents)
        return checks

    def _until_over(self, part: object, n: int) -> None:
        rng = Random(f"{self.seed} {part.__name__} {n}")  # type: ignore[attr-defined]
        try:
            while not self._over.is_set():
                part(rng)  # type: ignore[operator]
        finally:
            self._over.set()

    def _write(self, rng: Random) -> None:
        tenant, (operation,) = rng.choice(TENANTS), rng.choices(OPERATIONS, WEIGHTS)
        try:
            with self.catalog.transaction(tenant) as session:
                epoch, effect = operation(session, tenant, self.names, rng)
                if epoch is not None:
                    self.histories[tenant].record(epoch, effect)  # the lock of the epoch is held to the commit
                    self.changes += 1
        except NotFound:
            return
        except Unavailable:
            self.undone += 1

    def _read(self, rng: Random) -> None:
        tenant = rng.choice(TENANTS)
        with self.catalog.reading(tenant) as session:
            epoch = epochs.current(session, tenant)
            found = {user: twin.readable(session, tenant, user, self.names.documents) for user in self.names.users}
        world = self.histories[tenant].at(epoch)
        for user, documents in found.items():
            expected = world.readable(user)
            different = {name: world.documents[name] for name in documents ^ expected}
            assert not different, f"seed {self.seed}, {tenant} at epoch {epoch}, {user}: {different}"
        with self._lock:
            self.epochs.add((tenant, epoch))
            self.checks += len(found) * len(self.names.documents)
            self.allowed += sum(map(len, found.values()))
            if self.checks >= self.wanted:
                self._over.set()


def _principals(work: Callable[[], Any]) -> frozenset[str] | None:
    try:
        found = work()
    except (Refused, Unauthenticated, AccessIncomplete):
        return None
    return found.principals if isinstance(found, resolve.Access) else found


def _epoch(catalog: Catalog, tenant: str) -> int:
    with catalog.reading(tenant) as session:
        return epochs.current(session, tenant)


@pytest.fixture
def seed() -> int:
    drawn = secrets.randbelow(10**6)
    print(f"\nseed {drawn}")
    return drawn


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        pytest.param(20_000, Names.of(users=6, groups=10, documents=40), id="20,000 checks"),
        pytest.param(
            1_000_000, Names.of(users=12, groups=14, documents=60), id="1,000,000 checks", marks=pytest.mark.slow
        ),
    ],
)
def test_many_at_once_leave_both_alike(catalog: Catalog, seed: int, wanted: int, names: Names) -> None:
    run = Run(catalog, seed, wanted, names)
    run.go(writers=3, readers=2)
    print(
        f"{run.checks} checks, of which {run.allowed} allowed, at {len(run.epochs)} epochs of {run.changes} changes"
        f" ({run.undone} undone by another): 0 differences"
    )
    assert run.checks >= wanted
    print(f"{run.compare_with_history(Random(seed), epochs_each=20)} checks against history: 0 differences")
    assert 0.02 < run.allowed / run.checks < 0.98
    assert len(run.epochs) > wanted / 20_000
