"""A scan that finds much of its source gone deletes nothing until somebody says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingestion.jobs import start_sync
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.test_memberships import readable
from tests.ingestion.wiki import Site
from vouch.catalog.tables import Source
from vouch.core.errors import InvalidInput

LIVE = "SELECT count(*) FROM document WHERE state <> 'deleted'"


@pytest.fixture
def source(walk: Walk, site: Site) -> Source:
    """24 pages for everyone in the tenant."""
    site.readers = ("authenticated",)
    site.pages = {f"p{n:02}": f"Page {n} of the handbook." for n in range(24)}
    source = walk.add_source("wiki", "wiki")
    walk.sync(source, "full")
    assert len(readable(walk)) == 24
    return source


def keep(site: Site, count: int) -> None:
    site.pages = dict(sorted(site.pages.items())[:count])


@pytest.mark.parametrize("kind", ["incremental", "full", "access"])
def test_more_than_the_share_deletes_nothing_and_says_how_many_of_how_many(
    walk: Walk, site: Site, source: Source, kind: str
) -> None:
    read = walk.scalar("SELECT acl_read_at FROM source")
    keep(site, 11)
    site.readers = ("group:ghost",)  # what is still there is restricted all the same
    job = walk.sync(source, kind)
    assert (job["state"], job["counts"]["deleted"]) == ("failed", 0)
    (error,) = job["errors"]
    assert (error["reason"], error["deletions"], error["documents"]) == ("too_many_deletions", 13, 24)
    assert error["stage"] == "scan" and "13 of 24" in error["detail"]
    assert walk.scalar(LIVE) == 24 and readable(walk) == {f"p{n}" for n in range(11, 24)}
    assert walk.scalar("SELECT acl_read_at FROM source") == read, "what was not seen must go on ageing"


def test_a_confirmed_sync_deletes_and_no_other_is_confirmed_by_it(walk: Walk, site: Site, source: Source) -> None:
    keep(site, 0)
    with walk.services.catalog.transaction(TENANT) as session:
        first, stage = start_sync(session, source, "full")
        joined, none = start_sync(session, source, "full", confirm_deletions=True)
    assert (first, none) == (joined, None) and stage is not None
    job = walk.finish(first)
    assert (job["state"], job["counts"]["deleted"]) == ("succeeded", 24) and walk.scalar(LIVE) == 0
    site.pages = {f"q{n}": "New." for n in range(30)}
    walk.sync(source)
    keep(site, 1)
    assert walk.sync(source, "full")["state"] == "failed"


def test_up_to_the_share_is_deleted_and_the_share_is_the_sources(walk: Walk, site: Site, source: Source) -> None:
    keep(site, 12)
    assert walk.sync(source)["counts"]["deleted"] == 12, (
        "a half is not more than a half, and of the few left any may go"
    )
    keep(site, 1)
    assert walk.sync(source)["counts"]["deleted"] == 11
    site.pages = {f"q{n:02}": "New." for n in range(40)}
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE source SET deletion_guard = 0.01"))
    walk.sync(source, "full")  # one page is gone, more than a hundredth of the 41 there are now
    assert walk.scalar(LIVE) == 41


def test_only_a_full_sync_is_confirmed(walk: Walk, source: Source) -> None:
    with pytest.raises(InvalidInput) as refused, walk.services.catalog.transaction(TENANT) as session:
        start_sync(session, source, "access", confirm_deletions=True)
    assert refused.value.field == "confirm_deletions"


def test_a_folder_that_is_not_there_deletes_nothing_however_small(walk: Walk, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("The boathouse opens at nine.")
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    shutil.rmtree(folder)
    job = walk.sync(source, "full")
    assert job["state"] == "failed" and walk.scalar(LIVE) == 1
