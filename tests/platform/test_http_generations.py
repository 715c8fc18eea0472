"""Generations of the index on the running platform: built by its workers, compared, swapped, gone back from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.platform.conftest import Platform, acting, admin_key, peopled, problem
from vouch.embedded.platform import Running

PATH = "/v1/index/generations"


@pytest.fixture(scope="module")
def platform(shared: Running) -> Iterator[Platform]:
    """For the tenant of the first start, which alone administers the index."""
    with peopled(shared, shared.settings.tenant, admin_key(shared.settings)) as platform:
        yield platform


def _get(platform: Platform, generation: str) -> Any:
    return platform.ok("GET", f"{PATH}/{generation}")


def _asked(platform: Platform, words: str) -> tuple[str, set[str]]:
    """The generation that a question was asked of, and what it found."""
    found = platform.ok("POST", "/v1/search", headers=acting("alice"), json={"query": words})
    trace = platform.ok("GET", f"/v1/traces/{found['trace_id']}", headers=acting("alice"))
    return trace["index"]["generation"], {hit["external_id"] for hit in found["hits"]}


def test_a_generation_is_built_compared_swapped_and_dropped(platform: Platform) -> None:
    source = platform.source("generations")
    platform.pushed(source, "leave", "Everybody has 27 days of leave in a year.", "user:alice")
    listed = platform.ok("GET", PATH)
    assert listed["differs"] == [] and [one["state"] for one in listed["generations"]] == ["active"]
    first = listed["generations"][0]["id"]
    made = platform.ok("POST", PATH, json={"context": "text.v1", "chunker": "structure-short.v1"})
    second = made["id"]
    assert made["state"] == "building" and made["recipe"]["fingerprint"] != listed["recipe"]["fingerprint"]
    problem(platform.http.post(PATH, json={"lexical": "german.v1"}), 409, "conflict")
    problem(platform.http.post(PATH, json={"lexical": "klingon.v1"}), 422, "bad_config", "lexical")
    problem(platform.http.delete(f"{PATH}/{first}"), 409, "conflict")
    problem(platform.http.post(f"{PATH}/g99/swap"), 404, "not_found")

    platform.until(lambda: _get(platform, second)["state"] == "ready")
    platform.pushed(source, "travel", "Hotels cost 140 euros at most for each night.", "user:alice")
    assert _asked(platform, "hotel costs") == (first, {"leave", "travel"})
    compared = platform.ok("POST", f"{PATH}/{second}/compare", json={"questions": 5})["compared"]
    assert compared["overlap_10"] == 1.0 and _get(platform, second)["compared"] == compared

    swapped = platform.ok("POST", f"{PATH}/{second}/swap")
    assert (swapped["former"], swapped["generation"]["state"]) == (first, "active")
    assert _asked(platform, "hotel costs") == (second, {"leave", "travel"})
    assert platform.ok("GET", "/readyz")["ready"]
    platform.pushed(source, "office", "The office closes at eight.", "user:alice")
    assert platform.ok("GET", PATH)["differs"] == ["chunker", "context"]
    assert _asked(platform, "office hours")[1] >= {"office"}

    assert platform.ok("POST", f"{PATH}/{first}/swap")["former"] == second  # and back
    generation, found = _asked(platform, "office hours")
    assert generation == first and "office" in found
    platform.ok("DELETE", f"{PATH}/{second}")
    problem(platform.http.get(f"{PATH}/{second}"), 404, "not_found")
    assert platform.verified().clean
    actions = [
        one["action"] for one in platform.ok("GET", "/v1/audit", params={"chain": "use", "limit": 100})["entries"]
    ]
    for action, times in (("index.build", 1), ("index.swap", 2), ("index.compare", 1), ("index.drop", 1)):
        assert actions.count(action) == times, action
