"""Duplicates and conflicts in the report for owners: told under the rule of everything else in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from acl.caller import Caller
from ingestion.reports.plain import as_text
from ingestion.reports.staleness import staleness
from tests.applications import ingestion_routes
from tests.ingestion.test_twins import OTHER, A, B, compared
from tests.retrieval.world import TENANT, World, open_world
from vouch.catalog.database import Catalog
from vouch.gateway.embed import Embedder


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    yield from open_world(catalog, embedder, tmp_path)


@pytest.fixture
def http(world: World) -> Iterator[TestClient]:
    with ingestion_routes() as app:
        app.state.ingestion = SimpleNamespace(catalog=world.catalog)
        app.state.catalog, app.state.secret_key = world.catalog, world.services.secret_key
        yield TestClient(app)


def report(http: TestClient, world: World, user: str | None, **query: Any) -> Any:
    response = http.get("/v1/reports/staleness", params=query, headers=world.headers(user, "reports", "act_as"))
    assert response.status_code == 200, response.text
    return response.json() if "format" not in query else response.text


def pairs(found: Any) -> list[tuple[str, str, str]]:
    return [(row["mine"]["title"], row["relation"], row["other"]["title"]) for row in found["duplicates"]]


def test_each_pair_is_told_once_to_who_owns_a_side_and_may_read_both(http: TestClient, world: World) -> None:
    world.document("Travel 2023", B, owner="user:dave", allow=("group:hr",), project=False)
    for title in ("Travel", "Travel copy", "Travel 2026"):
        world.document(title, A, owner="user:bob", project=False)
    kitchen = world.document("Kitchen", OTHER, owner="user:bob", project=False)
    assert report(http, world, "bob")["uncompared"] == 4
    compared(world)
    assert report(http, world, "bob")["uncompared"] == 0

    found = report(http, world, "bob")
    assert pairs(found) == [("Travel", "identical", "Travel 2026")]
    assert found["duplicates"][0]["documents"] == 3
    assert found["conflicts"] == [] and found["conflicts_in_all"] == 0, "Bob may not read the other side"
    assert report(http, world, "dave")["duplicates_in_all"] == 0, "Dave may not read what he owns"

    world.member("hr", add=["user:bob", "user:dave"])
    found = report(http, world, "bob")
    assert pairs(found) == [("Travel", "version", "Travel 2023"), ("Travel", "identical", "Travel 2026")]
    (conflict,) = found["conflicts"]
    assert (conflict["mine"]["title"], conflict["ours"]["said"]) == ("Travel", "165 euros")
    assert (conflict["other"]["title"], conflict["theirs"]["said"]) == ("Travel 2023", "150 euros")
    assert pairs(report(http, world, "dave")) == [("Travel 2023", "version", "Travel")]

    for format in ("csv", "html"):
        text = report(http, world, "bob", format=format)
        assert "Travel 2023" in text and "150 euros" in text
    rows = list(csv.DictReader(io.StringIO(report(http, world, "bob", format="csv"))))
    assert [row["section"] for row in rows if row["other_id"]] == ["duplicate", "duplicate", "conflict"]

    world.readers(conflict["other"]["document_id"], (), project=False)
    found = report(http, world, "bob")
    assert (found["duplicates_in_all"], found["conflicts_in_all"]) == (1, 0)
    assert "150 euros" not in report(http, world, "bob", format="html")
    assert kitchen not in str(found["duplicates"])


def test_who_acts_for_nobody_is_told_ids_and_counts(http: TestClient, world: World) -> None:
    a = world.document("Secret trip", A, allow=("group:hr",), owner="user:bob", project=False)
    b = world.document("Secret trip 2023", B, allow=(), project=False)
    compared(world)
    found = report(http, world, None)
    assert (found["duplicates_in_all"], found["conflicts_in_all"], found["conflicts"]) == (1, 1, [])
    (row,) = found["duplicates"]
    assert {row["mine"]["document_id"], row["other"]["document_id"]} == {a, b}
    assert row["mine"]["title"] is row["other"]["external_id"] is row["mine"]["uri"] is None
    for format in ("csv", "html"):
        assert "Secret" not in report(http, world, None, format=format)
        assert "euros" not in report(http, world, None, format=format)
    assert report(http, world, None, owner="user:dave")["duplicates_in_all"] == 0


def test_the_report_of_a_new_version_tells_nothing_of_the_old_one(http: TestClient, world: World) -> None:
    a = world.document("A", A, owner="user:bob", project=False)
    world.document("B", B, project=False)
    compared(world)
    assert report(http, world, "bob")["conflicts_in_all"] == 1
    world.publish(a, OTHER, project=False)
    found = report(http, world, "bob")
    assert (found["duplicates_in_all"], found["conflicts_in_all"], found["uncompared"]) == (0, 0, 1)


def test_the_text_of_a_mail_tells_them_too(world: World) -> None:
    world.document("Travel 2023", B, owner="user:dave", project=False)
    world.document("Travel", A, owner="user:bob", project=False)
    compared(world)
    with world.catalog.reading(TENANT) as session:
        told = staleness(session, Caller(TENANT, "mail", frozenset({"reports"}), "user:bob"), None, limit=10)
    text = as_text(told)
    assert "Duplicates and versions: 1\n  Travel\n    version, " in text and "alike: Travel 2023" in text
    assert "Contradictions: 1" in text and "150 euros" in text and "165 euros" in text
    assert not replace(told, documents=(), superseded=(), quarantined_in_all=0).silent
    assert told.twins.told <= set(told.told) and len(told.twins.told) == 2
