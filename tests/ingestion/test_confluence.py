"""A Confluence site through the whole of ingestion: what is restricted there is restricted here, at the next sync."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from acl.directory import put_user
from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.api import as_json
from tests.connectors.confluence.cloud import Cloud, cloud
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def site() -> Iterator[Cloud]:
    """A handbook with a page on pay below a folder, and a file on it."""
    with cloud() as made:
        made.put("10", title="Handbook", storage="<p>The canteen opens at nine.</p>")
        made.put("11", title="Pay", kind="folder", parent=("page", "10"))
        made.put("12", title="Pay bands", storage="<p>Band four begins at 51000.</p>", parent=("folder", "11"))
        made.attach("att1", "12", "bands.txt", b"Band five begins at 58000.")
        yield made


@pytest.fixture
def source(walk: Walk, site: Cloud) -> Source:
    make_key_file(key_file(walk.services.settings))
    with walk.services.catalog.transaction(TENANT) as session:
        for user in ("user:bob", "user:carol"):
            put_user(session, TENANT, user, name=user, actor="test")
    source = walk.add_source("wiki", "confluence", **site.config)
    job = walk.sync(source, "full")
    assert job["state"] == "succeeded", job
    return source


ALL = {"page/10", "page/12", "attachment/att1"}


def readable(walk: Walk, user: str) -> set[str]:
    with walk.services.catalog.reading(TENANT) as session:
        rows = session.execute(sa.text("SELECT id, external_id FROM document WHERE state = 'live'")).all()
        names: dict[str, str] = {row[0]: row[1] for row in rows}
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def texts(walk: Walk) -> str:
    return str(walk.scalar("SELECT string_agg(text, ' ') FROM chunk"))


def test_it_is_read_and_its_secret_is_sealed(walk: Walk, source: Source) -> None:
    assert readable(walk, "user:alice") == readable(walk, "user:bob") == ALL
    assert readable(walk, "user:carol") == set()
    assert "51000" in texts(walk) and "58000" in texts(walk)
    assert "of-the-tests" not in str(walk.scalar("SELECT config::text FROM source"))
    assert walk.verify().clean


@pytest.mark.parametrize("kind", ["incremental", "access"])
def test_a_restriction_on_a_folder_holds_for_all_below_it(walk: Walk, site: Cloud, source: Source, kind: str) -> None:
    site.contents["11"].restricted = [("user", "acc-2")]
    asked = len(site.api.asked)
    job = walk.sync(source, kind)
    assert job["state"] == "succeeded" and job["counts"]["access_changed"] == 2
    assert readable(walk, "user:alice") == {"page/10"} and readable(walk, "user:bob") == ALL
    assert not [a.path for a in site.api.asked[asked:] if "body-format" in a.path or "download" in a.path]
    site.contents["11"].restricted = []
    walk.sync(source, kind)
    assert readable(walk, "user:alice") == ALL


def test_a_page_that_is_moved_below_a_restriction_takes_its_file_along(walk: Walk, site: Cloud, source: Source) -> None:
    site.put("20", ("user", "acc-2"), title="Board")
    site.contents["12"].parent = ("page", "20")
    walk.sync(source)
    assert readable(walk, "user:alice") == {"page/10"}
    assert readable(walk, "user:bob") >= ALL - {"page/10"}


def test_below_what_the_account_can_no_longer_see_nobody_reads(walk: Walk, site: Cloud, source: Source) -> None:
    site.hidden.add("11")
    job = walk.sync(source)
    assert {e["reason"] for e in job["errors"]} == {"ancestor_unknown"}
    assert readable(walk, "user:alice") == readable(walk, "user:bob") == {"page/10"}
    site.hidden.clear()
    walk.sync(source)
    assert readable(walk, "user:alice") == ALL


def test_who_leaves_a_group_reads_nothing_after_an_access_sync(walk: Walk, site: Cloud, source: Source) -> None:
    site.groups["staff"].remove("acc-1")
    assert walk.sync(source, "access")["counts"]["members_changed"] == 1
    assert readable(walk, "user:alice") == set() and readable(walk, "user:bob") == ALL
    site.accounts["acc-2"]["accountStatus"] = "inactive"
    walk.sync(source, "access")
    assert readable(walk, "user:bob") == set()


def test_only_what_changed_is_fetched_again_and_what_is_thrown_away_goes_with_its_file(
    walk: Walk, site: Cloud, source: Source
) -> None:
    job = walk.sync(source)
    assert (job["counts"]["unchanged"], job["counts"]["changed"]) == (3, 0)
    site.contents["12"].storage, site.contents["12"].version = "<p>Band four begins at 52500.</p>", 2
    asked = len(site.api.asked)
    assert walk.sync(source)["counts"]["changed"] == 1
    assert "52500" in texts(walk)
    fetched = [a.path for a in site.api.asked[asked:] if "body-format" in a.path or "download" in a.path]
    assert len(fetched) == 1 and "pages/12" in fetched[0]
    site.contents["12"].status = "trashed"
    assert walk.sync(source)["counts"]["deleted"] == 2
    assert readable(walk, "user:bob") == {"page/10"} and "52500" not in texts(walk)
    assert walk.verify().clean


def test_a_listing_that_fails_deletes_nothing_and_changes_no_access(walk: Walk, site: Cloud, source: Source) -> None:
    site.api.fail("spaces/1/pages", as_json({"message": "no"}, 403), times=99)
    job: dict[str, Any] = walk.sync(source)
    while job["state"] not in ("failed", "succeeded"):
        with walk.services.catalog.transaction(TENANT) as session:
            session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))
        job = walk.finish(job["job_id"])
    assert job["state"] == "failed" and {e["reason"] for e in job["errors"]} == {"source_refuses"}
    assert readable(walk, "user:alice") == ALL
