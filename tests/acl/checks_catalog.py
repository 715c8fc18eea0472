"""The checks that each seeded fault must make one of fail: what the catalog decides, and what the index is told.

Every check makes its own users, groups and documents, so all share one company. A check that finds something wrong
raises ``AssertionError``; anything else that it raises is a mistake of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from acl import directory, history, resolve
from acl.assign import digest
from acl.mapping import map_acl
from acl.recheck import recheck
from retrieval import documents
from tests.acl.probe import EVERYONE, Probe, Rule, acl_of, refused, told
from tests.retrieval.world import TENANT
from vouch.catalog import epoch as epochs
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Document
from vouch.core.types import RawClause


class CatalogChecks(Probe):
    """Decisions, epochs, history, audit, gate 1."""

    # --- decisions in the catalog -------------------------------------------------------------------

    def check_clauses(self) -> None:
        user = self.user()
        inner = self.group(user)
        outer = self.group(inner)
        mine: Rule = ({user}, set())
        others: Rule = ({"user:someone.else"}, set())
        table: list[tuple[list[Rule], bool]] = [
            ([mine], True), ([({outer}, set())], True), ([EVERYONE], True), ([EVERYONE, mine], True), ([others], False),
            ([({user}, {user})], False), ([({user}, {outer})], False), ([mine, ({user}, {inner})], False),
            ([({user}, {outer}), mine], False), ([mine, others], False), ([others, mine], False),
            ([EVERYONE] * 4 + [others], False), ([EVERYONE] * 5 + [({user}, {user})], False), ([], False),
            ([(set(), set())], False), ([mine, (set(), set())], False), ([({user}, {"user:someone.else"})], True),
        ]  # fmt: skip
        ids = [self.document(*rules) for rules, _ in table]
        readable = self.readable(user, *ids)
        for (rules, allowed), document in zip(table, ids, strict=True):
            assert (document in readable) is allowed, rules

    def check_closure(self) -> None:
        user = self.user()
        first = self.group(user)
        second = self.group(first)
        third = self.group(second, second)
        self.change(directory.change_members, first, add=[third], remove=[])
        with self.world.catalog.reading(TENANT) as session:
            principals = resolve.resolve(session, TENANT, user).principals
        assert principals == {user, "authenticated", first, second, third}

    def check_incomplete(self) -> None:
        user = self.user()
        self.group(self.group(user))
        with pytest.MonkeyPatch.context() as patch, self.world.catalog.reading(TENANT) as session:
            patch.setattr(resolve, "CLOSURE_LIMIT", 3)
            refused(lambda: resolve.resolve(session, TENANT, user))

    def check_inactive(self) -> None:
        user = self.user()
        document = self.document(EVERYONE)
        assert self.readable(user, document) == {document}
        self.user(name=user, active=False)
        with self.world.catalog.reading(TENANT) as session:
            refused(lambda: resolve.resolve(session, TENANT, user))
            refused(lambda: resolve.resolve(session, TENANT, "user:never.heard.of"))

    def check_states(self) -> None:
        user = self.user()
        ids = {state: self.document(EVERYONE) for state in ("live", "pending", "quarantined", "deleted")}
        for state, document in ids.items():
            self.set("UPDATE document SET state = :s WHERE id = :d", s=state, d=document)
        leaving = self.world.source(self.name(), state="deleting")
        there = self.document(EVERYONE, source=leaving)
        assert self.readable(user, *ids.values(), there) == {ids["live"]}

    def check_ages(self) -> None:
        user = self.user()
        group = self.group(user)
        fresh, stale, never = (self.world.source(self.name(), acl_max_age_s=3600) for _ in range(3))
        self.set("UPDATE source SET kind = 'filesystem' WHERE id IN (:a, :b, :c)", a=fresh, b=stale, c=never)
        self.set("UPDATE source SET acl_read_at = now() WHERE id = :s", s=fresh)
        self.set("UPDATE source SET acl_read_at = now() - interval '2 hours' WHERE id = :s", s=stale)
        ids = {source: self.document(EVERYONE, source=source) for source in (fresh, stale, never)}
        plain = self.document(EVERYONE)
        assert self.readable(user, *ids.values(), plain) == {ids[fresh], plain}
        self.set("UPDATE app_group SET memberships_read_at = now() - interval '2 hours' WHERE id = :g", g=group)
        assert self.readable(user, ids[fresh], plain) == {plain}

    def check_tenants(self) -> None:
        """Without row-level security, which would hide it besides."""
        user, group, document = self.user(), self.group(), self.document()
        self.user(tenant="other", name=user)
        self.group(user, tenant="other", name=group)
        with self.world.catalog.transaction(ACROSS_TENANTS) as session:
            session.add(
                Document(
                    tenant_id="other", id=document, source_id="docs", external_id=document, title="", uri="",
                    state="live", current_version=1,
                )
            )  # fmt: skip
        self.access(document, EVERYONE, tenant="other")
        with self.world.catalog.reading(ACROSS_TENANTS) as session:
            assert resolve.resolve(session, TENANT, user).principals == {user, "authenticated"}
            assert self.readable(user, document, session=session) == frozenset()

    def check_rows_of_others(self) -> None:
        self.user()
        with self.world.catalog.reading("other") as session:
            assert session.execute(sa.text("SELECT count(*) FROM document WHERE tenant_id = 'acme'")).scalar() == 0

    def check_anew(self) -> None:
        user = self.user()
        group = self.group(user)
        document = self.document(({group}, set()))
        with self.world.catalog.reading(TENANT) as session:
            access = resolve.resolve(session, TENANT, user)
        self.change(directory.change_members, group, add=[], remove=[user])
        with self.world.catalog.reading(TENANT) as session:
            assert recheck(session, access, [document])[1] == frozenset()
            assert resolve.resolve(session, TENANT, user).principals == {user, "authenticated"}

    def check_directory(self) -> None:
        user = self.user()
        group = self.group(user)
        self.group(name=group)
        with self.world.catalog.reading(TENANT) as session:
            assert group not in resolve.resolve(session, TENANT, user).principals
        self.group(user, name=group)
        self.change(directory.delete_user, user)
        self.user(name=user)  # somebody else, of the same name
        with self.world.catalog.reading(TENANT) as session:
            assert group not in resolve.resolve(session, TENANT, user).principals

    def check_unmappable(self) -> None:
        said = (RawClause(("authenticated",), ("whoever is on call",)),)
        assert map_acl(said, {"local"}).acl is None
        said = (RawClause(("authenticated",), ("user:okta/00u1",)),)
        assert map_acl(said, {"local"}).acl is None

    # --- epochs, history, audit ---------------------------------------------------------------------

    def check_epochs(self) -> None:
        user, group, document = self.user(), self.group(), self.document()
        changes: list[Callable[[], object]] = [
            lambda: self.user(name=user, active=False),
            lambda: self.group(user, name=group),
            lambda: self.change(directory.change_members, group, add=[], remove=[user]),
            lambda: self.access(document, EVERYONE),
            lambda: self.delete(document),
            lambda: self.change(directory.delete_group, group),
            lambda: self.change(directory.delete_user, user),
        ]
        for n, change in enumerate(changes):
            before = self.epoch()
            try:
                change()
            except sa.exc.IntegrityError as error:  # two changes of one epoch: the catalog itself refuses
                raise AssertionError(n) from error
            assert self.epoch() == before + 1, n

    def check_history(self) -> None:
        user, document = self.user(), self.document()
        group = self.group(user)
        self.access(document, EVERYONE)
        then = self.epoch()
        self.change(directory.change_members, group, add=[], remove=[user])
        self.access(document, ({user}, set()))
        self.user(name=user, active=False)
        with self.world.catalog.reading(TENANT) as session:
            past = told(lambda: history.access_at(session, TENANT, user, then))
            assert past.principals == {user, "authenticated", group}
            first = history.documents_at(session, TENANT, then, [document]).get(document)
            second = history.documents_at(session, TENANT, self.epoch(), [document]).get(document)
            assert first is not None and first.acl_id == digest(acl_of([EVERYONE]))
            assert second is not None and second.acl_id == digest(acl_of([({user}, set())]))
            assert history.access_at(session, TENANT, user, self.epoch() - 1).principals == {user, "authenticated"}
            refused(lambda: history.access_at(session, TENANT, user, self.epoch()))

    def check_audit(self) -> None:
        user = self.user()
        document = self.document(EVERYONE)
        documents.read_document(self.world.services, self.asker(user), document)
        with self.world.catalog.reading(TENANT) as session:
            rows = session.execute(
                sa.text("SELECT chain, subject FROM audit_entry WHERE subject IN (:a, :b)"),
                {"a": user, "b": f"document:{document}"},
            ).all()
        assert {tuple(row) for row in rows} == {("access", user), ("use", f"document:{document}")}

    def check_at_least(self) -> None:
        key = self.world.catalog.audit_key
        ahead = epochs.token(key, TENANT, self.epoch() + 1)
        with self.world.catalog.reading(TENANT) as session:
            assert epochs.require(session, TENANT, epochs.token(key, TENANT, 1)) >= 1
            refused(lambda: epochs.require(session, TENANT, ahead))

    # --- the index ----------------------------------------------------------------------------------

    def check_gate_1(self) -> None:
        user, about = self.user(), self.name()
        rules: list[list[Rule]] = [
            [EVERYONE], [EVERYONE, ({user}, set())], [], [({"user:bob"}, set())], [EVERYONE, ({"user:bob"}, set())],
            [({"authenticated"}, {user})], [EVERYONE, ({user}, {user})],
        ]  # fmt: skip
        ids = [self.document(*each, about=about) for each in rules]
        self.world.projector.catch_up()
        assert self.hits(user, about) & set(ids) == set(ids[:2])

    def check_projected(self) -> None:
        user, about = self.user(), self.name()
        lost, gone = self.document(EVERYONE, about=about), self.document(EVERYONE, about=about, project=True)
        assert self.hits(user, about) >= {lost, gone}
        self.access(lost)
        self.delete(gone)
        self.world.projector.catch_up()
        assert not self.hits(user, about) & {lost, gone}
        left = {point.document_id for batch in self.world.services.index.scan() for point in batch}
        assert gone not in left and lost in left

    def check_statistics(self) -> None:
        """Neither scores nor counts depend on what is hidden."""
        user, about, rare = self.user(), self.name(), self.name()
        self.document(EVERYONE, about=about)
        self.document(EVERYONE, about=rare, project=True)
        before = self.scores(user, f"{about} {rare}")
        for _ in range(6):
            self.document(({"user:bob"}, set()), about=about)
        self.world.projector.catch_up()
        assert self.scores(user, f"{about} {rare}") == before
