"""A bucket through all of ingestion: only what changed is read, what is gone goes, tags hold, secrets stay sealed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connectors.pace import Pace
from ingestion.sealed import MARK, shown
from tests.connectors.files.stores import ACCESS_KEY, SECRET, Place, s3
from tests.ingestion.conftest import Walk
from tests.outbound.serving import Reply
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("connectors.files.http.PACE", Pace(lambda: 0.0, lambda seconds: None))
    found = s3()
    found.put(".vouch.yaml", b"access: {allow: [group:staff]}\n")
    for n in range(5):
        found.put(f"n{n}.md", f"# Note {n}\n\nThe canteen of floor {n} is open on Mondays.\n".encode(), Tagging=_TAG)
    return found


_TAG = "vouch-allow=group:staff"


def add(walk: Walk, place: Place) -> Source:
    make_key_file(key_file(walk.services.settings))
    return walk.add_source("bucket", "files", store=place.store, object_tags=True)


def live(walk: Walk) -> object:
    return walk.scalar("SELECT array_agg(external_id ORDER BY external_id) FROM document WHERE state = 'live'")


def readable(walk: Walk) -> object:
    return walk.scalar(
        "SELECT array_agg(external_id ORDER BY external_id) FROM document WHERE state = 'live' AND acl_id IS NOT NULL"
    )


def fetched(place: Place) -> list[str]:
    """Content that was read since this was last asked."""
    assert place.gate is not None
    found = [target.rpartition("/")[2] for _, target in place.gate.asked if target.endswith(".md")]
    place.gate.asked.clear()
    return sorted(found)


def test_only_what_changed_is_read_and_what_is_gone_goes(walk: Walk, place: Place) -> None:
    source = add(walk, place)
    first = walk.sync(source)
    assert first["state"] == "succeeded", first
    assert fetched(place) == live(walk) == readable(walk) == [f"n{n}.md" for n in range(5)]
    place.put("n1.md", b"# Note 1\n\nThe canteen is closed.\n", Tagging=_TAG)
    place.remove("n2.md")
    place.put("n3.md", b"# Note 3\n\nThe canteen of floor 3 is open on Mondays.\n", Tagging="vouch-deny=user:alice")
    job = walk.sync(source)
    assert (job["state"], job["counts"]["deleted"]) == ("succeeded", 1)
    assert fetched(place) == ["n1.md"]
    assert live(walk) == ["n0.md", "n1.md", "n3.md", "n4.md"] and readable(walk) == ["n0.md", "n1.md", "n4.md"]
    place.put(".vouch.yaml", b"access: {alow: [group:staff]}\n")
    job = walk.sync(source, "access")
    assert job["state"] == "failed" and {error["reason"] for error in job["errors"]} == {"rules_broken"}
    assert readable(walk) is None and fetched(place) == []
    place.put(".vouch.yaml", b"access: {allow: [group:staff]}\n")
    assert walk.sync(source, "access")["state"] == "succeeded"
    assert readable(walk) == ["n0.md", "n1.md", "n4.md"] and fetched(place) == []
    assert walk.verify().clean


def test_a_store_that_fails_in_the_middle_takes_nothing_away_and_the_next_scan_goes_on(
    walk: Walk, place: Place
) -> None:
    source = add(walk, place)
    assert place.gate is not None
    place.gate.fault = lambda method, target: Reply(500) if "n3.md?tagging" in target else None
    job = walk.sync(source)
    assert job["state"] == "running"  # to be tried again
    assert live(walk) is None
    place.gate.fault = lambda method, target: None
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))
    assert walk.finish(job["job_id"])["state"] == "succeeded"
    assert readable(walk) == [f"n{n}.md" for n in range(5)]
    fetched(place)
    place.gate.fault = lambda method, target: Reply(200, b"<ListBucketResult>") if "list-type" in target else None
    assert walk.sync(source)["counts"]["deleted"] == 0
    assert readable(walk) == [f"n{n}.md" for n in range(5)] and fetched(place) == []


def test_its_secret_is_sealed_and_shown_to_nobody(walk: Walk, place: Place) -> None:
    source = add(walk, place)
    assert SECRET not in str(walk.scalar("SELECT config::text FROM source"))
    told = shown(source.config)["store"]
    assert told["secret_access_key"] == MARK and told["access_key_id"] == ACCESS_KEY
