"""A Jira site through the whole of ingestion: schemes, levels and groups hold here as there, and what goes is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from acl.directory import put_user
from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.jira.cloud import Jira, holder, jira
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def site() -> Iterator[Jira]:
    """One issue for the staff, and one that only its reporter may see."""
    with jira() as made:
        made.levels["5"] = [holder("reporter")]
        made.put("10", "The pump of the north wing leaks.")
        made.put("11", "The combination is 7341.", security="5", reporter={"accountId": "acc-2"})
        made.say("10", "A plumber comes on Friday.")
        made.say("10", "The plumber costs 400 EUR.", visibility={"type": "role", "value": "Managers"})
        yield made


@pytest.fixture
def source(walk: Walk, site: Jira) -> Source:
    make_key_file(key_file(walk.services.settings))
    with walk.services.catalog.transaction(TENANT) as session:
        put_user(session, TENANT, "user:bob", name="Bob", actor="test")
    source = walk.add_source("issues", "jira", **site.config)
    assert walk.sync(source, "full")["state"] == "succeeded"
    return source


def readable(walk: Walk, user: str) -> set[str]:
    with walk.services.catalog.reading(TENANT) as session:
        rows = session.execute(sa.text("SELECT id, external_id FROM document WHERE state = 'live'")).all()
        names: dict[str, str] = {row[0]: row[1] for row in rows}
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def test_issues_are_read_under_their_levels(walk: Walk, site: Jira, source: Source) -> None:
    assert readable(walk, "user:alice") == {"issue/10"} and readable(walk, "user:bob") == {"issue/10", "issue/11"}
    said = str(walk.scalar("SELECT string_agg(text, ' ') FROM chunk"))
    assert "Friday" in said and "400 EUR" not in said and "7341" in said
    assert "of-the-tests" not in str(walk.scalar("SELECT config::text FROM source"))
    assert walk.sync(source)["counts"]["unchanged"] == 2
    assert walk.verify().clean


@pytest.mark.parametrize("kind", ["incremental", "access"])
def test_a_change_of_a_scheme_or_a_level_holds_with_the_next_sync(
    walk: Walk, site: Jira, source: Source, kind: str
) -> None:
    asked = len(site.api.asked)
    site.issues["10"]["security"] = {"id": "5"}
    assert walk.sync(source, kind)["counts"]["access_changed"] == 1
    assert readable(walk, "user:bob") == {"issue/11"} and readable(walk, "user:alice") == {"issue/10"}
    site.browse["1"] = [holder("user", "acc-2")]
    walk.sync(source, kind)
    assert readable(walk, "user:alice") == set() and readable(walk, "user:bob") == {"issue/11"}
    assert not [a.path for a in site.api.asked[asked:] if "/issue/" in a.path]


def test_who_leaves_a_group_reads_nothing_and_what_is_deleted_is_gone(walk: Walk, site: Jira, source: Source) -> None:
    site.groups["staff"].remove("acc-1")
    walk.sync(source, "access")
    assert readable(walk, "user:alice") == set()
    del site.issues["11"]
    assert walk.sync(source)["counts"]["deleted"] == 1
    assert readable(walk, "user:bob") == {"issue/10"}
    assert "7341" not in str(walk.scalar("SELECT string_agg(text, ' ') FROM chunk"))


def test_a_comment_that_is_restricted_later_is_taken_out(walk: Walk, site: Jira, source: Source) -> None:
    site.comments["10"][0]["visibility"] = {"type": "role", "value": "Managers"}
    assert walk.sync(source)["counts"]["changed"] == 1
    assert "Friday" not in str(walk.scalar("SELECT string_agg(text, ' ') FROM chunk"))
