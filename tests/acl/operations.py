"""Changes of a tenant, drawn at random: each done through the real functions, and said for the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from threading import Lock

import sqlalchemy as sa
from sqlmodel import Session

from acl import directory
from acl.assign import assign
from acl.mapping import map_acl
from ingestion.delete import delete_documents
from tests.acl import twin
from tests.acl.oracle import Clauses, Document, Source, World
from vouch.catalog import epoch as epochs
from vouch.core.types import RawClause

UNMAPPABLE = "whoever is on call"
MAX_AGES = (None, 1.5, 24.5)
"""Hours. Moments are whole hours, so nothing is ever on the edge."""

Effect = Callable[[World], World]
Done = tuple[int | None, Effect]
"""The epoch begun (None: nothing differed), and what is different after it."""


@dataclass(frozen=True)
class Names:
    """Whom and what the changes are about. A tenant has a document of every name from the start."""

    users: tuple[str, ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    documents: tuple[str, ...]

    @classmethod
    def of(cls, users: int, groups: int, documents: int) -> Names:
        def named(text: str, count: int) -> tuple[str, ...]:
            return tuple(f"{text}{n}" for n in range(count))

        return cls(named("user:u", users), named("group:g", groups), named("s", 3), named("d", documents))

    def world(self, rng: Random, *, most_principals: int = 10_000) -> World:
        """A tenant to begin with, in which most people may read something."""
        return World(
            users={user: rng.random() < 0.9 for user in self.users},
            groups={group: self.members(rng) for group in self.groups},
            sources={source: _source(rng) if n else Source() for n, source in enumerate(self.sources)},
            documents={
                name: Document(rng.choice(self.sources), self.clauses(rng)[1], "live") for name in self.documents
            },
            most_principals=most_principals,
        )

    def members(self, rng: Random) -> frozenset[str]:
        return frozenset(_some(rng, self.users, 3)) | frozenset(_some(rng, self.groups, rng.choice((0, 1, 2))))

    def clauses(self, rng: Random) -> tuple[tuple[RawClause, ...], Clauses | None]:
        """Access as a source says it, and as it is to be understood: a deny that names nobody we know closes the
        document to all, an allow that does grants nobody."""
        count = rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 6))
        raw: list[RawClause] = []
        for _ in range(count):
            allow = _some(rng, (*self.users, *self.groups), rng.choice((2, 6)))
            allow += ["authenticated"] if rng.random() < 0.5 else []
            deny = _some(rng, (*self.users, *self.groups), rng.choice((0, 0, 1, 2)))
            if rng.random() < 0.05:
                allow.append(UNMAPPABLE)
            if rng.random() < 0.03:
                deny.append(UNMAPPABLE)
            raw.append(RawClause(tuple(allow), tuple(deny)))
        if any(UNMAPPABLE in clause.deny for clause in raw):
            return tuple(raw), None
        meant = tuple((frozenset(clause.allow) - {UNMAPPABLE}, frozenset(clause.deny)) for clause in raw)
        return tuple(raw), meant or None


class History:
    """The oracle's world at each epoch of a tenant. Whoever records holds the tenant's lock in the catalog."""

    def __init__(self, epoch: int, world: World) -> None:
        self._worlds = {epoch: world}
        self._newest = epoch
        self._lock = Lock()

    @property
    def newest(self) -> World:
        return self._worlds[self._newest]

    @property
    def epochs(self) -> list[int]:
        return sorted(self._worlds)

    def at(self, epoch: int) -> World:
        return self._worlds[epoch]

    def record(self, epoch: int, effect: Effect) -> None:
        with self._lock:
            assert epoch == self._newest + 1, f"epoch {epoch} after {self._newest}"
            self._worlds[epoch] = effect(self._worlds[self._newest])
            self._newest = epoch
            self._worlds.pop(epoch - 2_000, None)


# --- users, groups and memberships ------------------------------------------------------------------


def put_user(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    user, active = rng.choice(names.users), rng.random() < 0.85
    epoch = directory.put_user(session, tenant, user, name="U", active=active, actor="test")
    return epoch, lambda world: world.put("users", user, active)


def delete_user(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    user = rng.choice(names.users)
    epoch = directory.delete_user(session, tenant, user, actor="test")
    return epoch, lambda world: _forgotten(world.put("users", user, None), user)


def put_group(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    group, members = rng.choice(names.groups), names.members(rng) if rng.random() < 0.8 else None
    wanted = None if members is None else sorted(members)
    epoch = directory.put_group(session, tenant, group, name="G", members=wanted, actor="test")
    return epoch, lambda world: world.put(
        "groups", group, members if members is not None else world.groups.get(group, frozenset())
    )


def delete_group(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    group = rng.choice(names.groups)
    epoch = directory.delete_group(session, tenant, group, actor="test")
    return epoch, lambda world: _forgotten(world.put("groups", group, None), group)


def change_members(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    group, add, remove = rng.choice(names.groups), names.members(rng), names.members(rng)
    epoch = directory.change_members(session, tenant, group, add=sorted(add), remove=sorted(remove), actor="test")
    return epoch, lambda world: world.put("groups", group, world.groups[group] - remove | add)


def tell(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    """An issuer tells of memberships, now or a while ago; or the directory takes them over."""
    principal, ago = rng.choice((*names.users, *names.groups)), rng.choice((None, None, 0, 0, 1, 3, 30))
    table = "app_user" if principal.startswith("user:") else "app_group"
    sql = f"UPDATE {table} SET memberships_read_at = {'NULL' if ago is None else twin.AGO} WHERE id = :id RETURNING 1"
    epoch = _bump(session, tenant)
    there = session.execute(sa.text(sql), {"id": principal, "hours": ago or 0}).first()
    if there is None:
        return epoch, lambda world: world
    return epoch, lambda world: world.put("told", principal, None if ago is None else world.now - ago)


# --- documents and sources --------------------------------------------------------------------------


def set_access(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    """Of one document or of many, all alike or each its own."""
    count = rng.choice((1, 1, 1, 1, 4, len(names.documents) // 4))
    chosen = rng.sample(names.documents, min(count, len(names.documents)))
    drawn = [names.clauses(rng) for _ in range(rng.choice((1, 3)))]
    said = {name: rng.choice(drawn) for name in chosen}
    acls = {name: map_acl(raw, {"local"}).acl for name, (raw, _) in said.items()}
    epoch = assign(session, tenant, acls, actor="test")

    def effect(world: World) -> World:
        there = {name for name, document in world.documents.items() if document.state != "deleted"}
        return _documents(world, {name: {"acl": meant} for name, (_, meant) in said.items() if name in there})

    return epoch, effect


def delete(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    source, chosen = rng.choice(names.sources), rng.sample(names.documents, rng.choice((1, 1, 3)))
    if not delete_documents(session, tenant, source, chosen, "test"):
        return None, lambda world: _documents(
            world, {n: {"state": "deleted", "acl": None} for n in chosen if world.documents[n].source == source}
        )
    epoch = epochs.current(session, tenant)
    # Those that were there: another may have brought back the others meanwhile, and they are not touched.
    rows = session.execute(
        sa.text("SELECT document_id FROM document_change WHERE epoch = :e AND deleted"), {"e": epoch}
    )
    gone = set(rows.scalars())
    assert gone <= set(chosen)
    return epoch, lambda world: _documents(world, {name: {"state": "deleted", "acl": None} for name in gone})


def publish(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    """Documents come, or come again."""
    return _state(session, tenant, rng.sample(names.documents, min(5, len(names.documents))), "live")


def withdraw(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    return _state(session, tenant, [rng.choice(names.documents)], rng.choice(("pending", "quarantined")))


def set_source(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    name, source = rng.choice(names.sources), _source(rng)
    age = None if source.max_age is None else round(source.max_age * 3600)
    session.execute(
        sa.text(
            "UPDATE source SET kind = :kind, state = :state, acl_max_age_s = :age,"
            f" acl_read_at = {'NULL' if source.read is None else twin.AGO} WHERE id = :id"
        ),
        {"id": name, "kind": source.kind, "state": source.state, "age": age, "hours": -(source.read or 0)},
    )
    return _bump(session, tenant), lambda world: world.put(
        "sources", name, replace(source, read=None if source.read is None else world.now + source.read)
    )


def read_document(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    """A document's own access is read, ahead of its source's."""
    name, ago = rng.choice(names.documents), rng.choice((0, 0, 3, 30))
    session.execute(sa.text(f"UPDATE document SET acl_read_at = {twin.AGO} WHERE id = :id"), {"id": name, "hours": ago})
    return _bump(session, tenant), lambda world: _documents(world, {name: {"read": world.now - ago}})


def wait(session: Session, tenant: str, names: Names, rng: Random) -> Done:
    """Time goes by: everything that was read was read longer ago."""
    hours = rng.choice((1, 1, 2, 10))
    session.execute(sa.text("SELECT 1 FROM source ORDER BY id FOR UPDATE"))
    session.execute(sa.text("SELECT 1 FROM document ORDER BY id FOR UPDATE"))
    epoch = _bump(session, tenant)
    for table in ("source", "document", "app_user", "app_group"):
        read = "memberships_read_at" if table.startswith("app_") else "acl_read_at"
        session.execute(
            sa.text(f"UPDATE {table} SET {read} = {read} - make_interval(hours => :h) WHERE {read} IS NOT NULL"),
            {"h": hours},
        )
    return epoch, lambda world: replace(world, now=world.now + hours)


Operation = Callable[[Session, str, Names, Random], Done]
OPERATIONS: tuple[Operation, ...] = (
    put_user, delete_user, put_group, delete_group, change_members, tell, set_access, delete, publish, withdraw,
    set_source, read_document, wait,
)  # fmt: skip
WEIGHTS = (4, 1, 5, 1, 8, 2, 12, 1, 6, 1, 2, 1, 1)


def _documents(world: World, changes: dict[str, dict[str, object]]) -> World:
    changed = {name: replace(world.documents[name], **facts) for name, facts in changes.items()}  # type: ignore[arg-type]
    return replace(world, documents={**world.documents, **changed})


def _forgotten(world: World, principal: str) -> World:
    groups = {group: members - {principal} for group, members in world.groups.items()}
    return replace(world, groups=groups).put("told", principal, None)


def _state(session: Session, tenant: str, chosen: Sequence[str], state: str) -> Done:
    version = 1 if state == "live" else None
    session.execute(sa.text("SELECT 1 FROM document WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": chosen})
    session.execute(
        sa.text("UPDATE document SET state = :state, current_version = :version WHERE id = ANY(:ids)"),
        {"state": state, "version": version, "ids": chosen},
    )
    return _bump(session, tenant), lambda world: _documents(world, {name: {"state": state} for name in chosen})


def _source(rng: Random) -> Source:
    """``read`` counts from now."""
    return Source(
        kind=rng.choice(("push", "filesystem")),
        state=rng.choice(("active",) * 6 + ("paused", "deleting")),
        max_age=rng.choice(MAX_AGES),
        read=rng.choice((0, 0, 0, -3, -30, None)),
    )


def _some(rng: Random, among: Sequence[str], most: int) -> list[str]:
    return rng.sample(among, rng.randint(0, most))


def _bump(session: Session, tenant: str) -> int:
    """What begins no epoch of its own is given one, so that every state has a name."""
    return epochs.bump(session, tenant, kind="test", subject="test", actor="test")
