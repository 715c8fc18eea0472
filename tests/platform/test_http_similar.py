"""On a running platform: what is pushed is compared by a worker that a scheduler rings, with nobody asking for it."""

from __future__ import annotations

from typing import Any

from tests.ingestion.test_twins import A, B
from tests.platform.conftest import Platform
from vouch.client import Client, Similar


def test_two_that_were_pushed_find_each_other(platform: Platform) -> None:
    source = platform.source("twins")
    for name, text in (("trips-2026.md", A), ("trips-2023.md", B)):
        platform.pushed(source, name, text, "authenticated")
    listed = platform.ok("GET", f"/v1/sources/{source}/documents")["documents"]
    first = next(row["document_id"] for row in listed if row["external_id"] == "trips-2026.md")
    key = platform.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(platform.http.base_url), key) as vouch:
        found: Similar = platform.until(lambda: _compared(vouch.as_user("user:alice").similar(first)))
    (other,) = [one for one in found.similar if one.external_id == "trips-2023.md"]
    (conflict,) = other.conflicts
    assert (other.relation, conflict.ours.said, conflict.theirs.said) == ("version", "165 euros", "150 euros")
    span = conflict.theirs.span
    text = platform.get("alice", f"/v1/documents/{other.document_id}/text?start={span.start}&end={span.end}").json()
    assert text["text"] == conflict.theirs.quote


def _compared(found: Similar) -> Any:
    return found if found.compared and found.similar else None
