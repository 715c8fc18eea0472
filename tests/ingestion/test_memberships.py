"""A source's own groups: whole or not at all, its own alone, held at the next request, and trusted for so long."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from acl.directory import put_group
from acl.history import access_at
from acl.issuers import Trust, put_issuer
from acl.recheck import recheck
from acl.resolve import resolve
from acl.scim import Provisioning
from ingestion import sources
from ingestion.schemas import SourcePatch
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.wiki import Site
from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Issuer, Source
from vouch.core.errors import Conflict, InvalidInput, Unavailable

TOLD = [
    ("group:wiki/readers", "group:wiki/crew"),
    ("group:wiki/crew", "user:alice"),
    ("group:wiki/crew", "user:okta/7"),
]
STATE = "SELECT string_agg(concat(group_id, member), ' ' ORDER BY group_id, member) FROM membership"
AT = "SELECT memberships_read_at FROM app_group WHERE id = 'group:wiki/readers'"


@pytest.fixture
def source(walk: Walk, site: Site) -> Source:
    """A wiki whose page alice may read, being in a group that is in its readers."""
    site.pages, site.groups = {"page": "The boathouse opens at nine."}, list(TOLD)
    source = walk.add_source("wiki", "wiki")
    assert walk.sync(source, "full")["counts"]["members_changed"] == 3
    assert readable(walk) == {"page"}
    return source


def readable(walk: Walk, user: str = "user:alice") -> set[str]:
    with walk.services.catalog.reading(TENANT) as session:
        names = dict(session.execute(sa.text("SELECT id, external_id FROM document")).all())
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def epoch(walk: Walk) -> int:
    with walk.services.catalog.reading(TENANT) as session:
        return epochs.current(session, TENANT)


def test_who_left_a_group_loses_access_with_the_reading_and_history_knows(
    walk: Walk, site: Site, source: Source
) -> None:
    before = epoch(walk)
    site.groups.remove(("group:wiki/crew", "user:alice"))
    job = walk.sync(source, "access")
    assert job["counts"]["members_changed"] == 1 and epoch(walk) == before + 1
    assert readable(walk) == set()
    with walk.services.catalog.reading(TENANT) as session:
        assert "group:wiki/readers" in access_at(session, TENANT, "user:alice", before).principals
        assert "group:wiki/readers" not in access_at(session, TENANT, "user:alice", before + 1).principals


def test_a_reading_that_finds_the_same_begins_no_epoch_and_is_dated(walk: Walk, source: Source) -> None:
    before, read = epoch(walk), walk.scalar(AT)
    assert walk.sync(source, "access")["counts"]["members_changed"] == 0
    assert epoch(walk) == before and str(walk.scalar(AT)) > str(read)


def test_an_incremental_sync_reads_no_groups_and_does_not_make_them_younger(
    walk: Walk, site: Site, source: Source
) -> None:
    read, access_read = walk.scalar(AT), walk.scalar("SELECT acl_read_at FROM source")
    site.groups.clear()
    walk.sync(source, "incremental")
    assert readable(walk) == {"page"}
    assert walk.scalar(AT) == read and walk.scalar("SELECT acl_read_at FROM source") == access_read


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("half")])
def test_a_reading_that_fails_halfway_leaves_everything_as_it_was(
    walk: Walk, site: Site, source: Source, error: Exception
) -> None:
    before, state, read = epoch(walk), walk.scalar(STATE), walk.scalar(AT)
    access_read, scans = walk.scalar("SELECT acl_read_at FROM source"), site.scans
    site.groups, site.groups_fail = [("group:wiki/readers", "user:bob")], error
    job = tried(walk, source)
    assert job["state"] == "failed"
    assert (epoch(walk), walk.scalar(STATE), walk.scalar(AT)) == (before, state, read)
    assert walk.scalar("SELECT acl_read_at FROM source") == access_read and site.scans == scans


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("group:staff", "user:bob"), "group_of_another"),
        (("group:okta/admins", "user:bob"), "group_of_another"),
        (("group:wiki/readers", "bob@example.org"), "membership_unmapped"),
        (("group:wiki/readers", "authenticated"), "membership_unmapped"),
        (("user:wiki/bob", "user:bob"), "membership_unmapped"),
    ],
)
def test_what_is_not_the_sources_to_tell_refuses_the_whole_reading(
    walk: Walk, site: Site, source: Source, pair: tuple[str, str], reason: str
) -> None:
    before, state = epoch(walk), walk.scalar(STATE)
    site.groups = [("group:wiki/readers", "user:bob"), pair]
    job = walk.sync(source, "access")
    assert job["state"] == "failed" and [error["reason"] for error in job["errors"]] == [reason]
    assert (epoch(walk), walk.scalar(STATE)) == (before, state)


def test_a_source_without_an_issuer_tells_no_groups(walk: Walk, site: Site) -> None:
    source = walk.add_source("wiki", "wiki", issuer=None)
    assert walk.sync(source, "access")["state"] == "succeeded"
    site.groups = list(TOLD)
    assert [error["reason"] for error in walk.sync(source, "access")["errors"]] == ["group_of_another"]


def test_the_groups_of_others_are_untouched(walk: Walk, site: Site, source: Source) -> None:
    others = STATE + " WHERE NOT starts_with(group_id, 'group:wiki/')"
    with walk.services.catalog.transaction(TENANT) as session:
        put_group(session, TENANT, "group:wikipedia/x", name="X", members=["user:alice"], actor="test")
        put_group(session, TENANT, "group:board", name="B", members=["group:wiki/crew"], actor="test")
    kept = walk.scalar(others)
    site.groups = [("group:wiki/readers", "user:bob")]
    walk.sync(source, "access")
    assert walk.scalar(others) == kept
    assert walk.scalar("SELECT count(*) FROM app_group WHERE memberships_read_at IS NOT NULL") == 1


def test_groups_read_too_long_ago_deny(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE source SET acl_max_age_s = 3600"))
    assert readable(walk) == {"page"}
    aged = ("app_group SET memberships_read_at = {} WHERE id = 'group:wiki/crew'", "source SET acl_read_at = {}")
    for statement in aged:
        with walk.services.catalog.transaction(TENANT) as session:
            session.execute(sa.text("UPDATE " + statement.format("now() - interval '2 h'")))
        assert readable(walk) == set()
        walk.sync(source, "access")
        assert readable(walk) == {"page"}


def test_one_alone_tells_the_groups_of_an_issuer(walk: Walk, source: Source) -> None:
    catalog = walk.services.catalog
    with pytest.raises(Conflict, match="Another source"):
        walk.add_source("second", "wiki", site="other")
    for issuer in ("local", "No Issuer"):
        with pytest.raises(InvalidInput):
            walk.add_source("third", "wiki", issuer=issuer)
    trust = Trust(url="https://id.example.org", audience="vouch", jwks_uri="https://id.example.org/keys")
    with catalog.transaction(TENANT) as session:
        put_issuer(session, TENANT, "tokens", Trust(**{**vars_of(trust), "groups_claim": "groups"}), actor="test")
        session.add_all([Issuer(tenant_id=TENANT, id="scim"), Issuer(tenant_id=TENANT, id="wiki")])
        session.flush()
        put_group(session, TENANT, "group:hand/x", name="X", members=[], actor="test")
        scim = Provisioning(session, TENANT, "scim", "test", "")
        scim.create("Group", {"displayName": "crew"})
    for issuer in ("tokens", "scim", "hand"):
        with pytest.raises(Conflict):
            walk.add_source("fourth", "wiki", issuer=issuer)
    with pytest.raises(Conflict), catalog.transaction(TENANT) as session:
        put_issuer(session, TENANT, "wiki", Trust(**{**vars_of(trust), "groups_claim": "groups"}), actor="test")
    with pytest.raises(Conflict), catalog.transaction(TENANT) as session:
        Provisioning(session, TENANT, "wiki", "test", "").create("Group", {"displayName": "crew"})


def vars_of(trust: Trust) -> dict[str, object]:
    return {"url": trust.url, "audience": trust.audience, "jwks_uri": trust.jwks_uri}


def test_groups_end_with_their_source_or_its_issuer_and_may_be_told_by_another(
    walk: Walk, site: Site, source: Source
) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        row = sources.find_source(session, TENANT, source.id, lock=True)
        sources.change(session, row, SourcePatch(config={"issuer": "wiki2"}), actor="test")
    assert walk.scalar("SELECT count(*) FROM app_group WHERE starts_with(id, 'group:wiki')") == 0
    assert readable(walk) == set()
    site.groups = [("group:wiki2/readers", "user:alice")]
    second = walk.add_source("second", "wiki", site="other", issuer="wiki")
    assert walk.sync(source, "full")["state"] == "succeeded"
    with walk.services.catalog.transaction(TENANT) as session:
        for gone in (source.id, second.id):
            row = sources.find_source(session, TENANT, gone, lock=True)
            sources.delete(session, row, actor="test")
    assert walk.scalar("SELECT count(*) FROM membership WHERE starts_with(group_id, 'group:wiki')") == 0
    walk.drain()
    walk.add_source("wiki", "wiki")


def tried(walk: Walk, source: Source) -> dict[str, object]:
    """A sync with each of its attempts made at once."""
    job = walk.sync(source, "access")
    while job["state"] not in ("failed", "succeeded"):
        with walk.services.catalog.transaction(TENANT) as session:
            session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))
        job = walk.finish(job["job_id"])
    return job
