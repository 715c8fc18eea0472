"""Budgets and usage over HTTP and by the command line, with a model that is paid for."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from tests.platform.conftest import Platform, admin_key, platform_on, problem
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url
from vouch.gateway.fake_chat import FakeChat

HOTELS = "Hotels are reimbursed up to 140 euros per night."
WHY = "Explain why hotels are reimbursed up to that sum per night."
FILE = """
currency = "EUR"
[models.paid]
provider = "openai"
url = "{url}"
model = "m"
price = {{ input = 1000, output = 1000 }}
retries = 0
"""


@pytest.fixture(scope="module")
def model() -> Iterator[FakeChat]:
    with FakeChat() as server:
        yield server


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object, model: FakeChat
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("paid")
    (folder / "models.toml").write_text(FILE.format(url=model.url))
    with platform_on(folder / "data", model_settings, models=folder / "models.toml", reuse="off") as platform:
        source = platform.source("travel")
        platform.pushed(source, "hotels", f"# Hotels\n\n{HOTELS}\n", "authenticated")
        yield platform


@pytest.fixture(autouse=True)
def unlimited(platform: Platform, model: FakeChat) -> Iterator[None]:
    model.behave("honest")
    yield
    for one in platform.ok("GET", "/v1/budgets")["budgets"]:
        platform.ok("DELETE", f"/v1/budgets/{one['id']}")


def usage(platform: Platform, by: str) -> dict[str, dict[str, Any]]:
    return {row["value"]: row for row in platform.ok("GET", "/v1/usage", params={"by": by})["rows"]}


def budget(platform: Platform, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = platform.ok("PUT", "/v1/budgets", json=given)
    return found


def test_a_call_is_counted_as_its_answer_says(platform: Platform) -> None:
    before = usage(platform, "user").get("user:alice", {"calls": 0, "cost": "0"})
    told = platform.ask("alice", WHY, workflow="travel-bot")["usage"]
    assert Decimal(told["cost"]) == Decimal(told["input_tokens"] + told["output_tokens"]) / 1000
    after = usage(platform, "user")["user:alice"]
    assert after["calls"] == before["calls"] + 1 and after["currency"] == "EUR"
    assert Decimal(after["cost"]) - Decimal(before["cost"]) == Decimal(told["cost"])
    assert "travel-bot" in usage(platform, "workflow") and "group:staff" in usage(platform, "group")
    assert set(usage(platform, "model")) == {"paid"}


def test_extractive_answers_cost_nothing_and_are_no_calls(platform: Platform) -> None:
    before = usage(platform, "total")
    platform.ask("alice", WHY, profile="extractive")
    assert usage(platform, "total") == before


def test_a_budget_that_is_used_up_leaves_the_documents_own_sentences(platform: Platform, model: FakeChat) -> None:
    made = budget(platform, scope="user", subject="user:alice", period="day", tokens=100)
    assert (made["hard"], made["spent_tokens"]) == (True, 0)
    told = platform.ask("alice", WHY)["usage"]
    assert (told["attempts"][0]["writer"], told["attempts"][0]["outcome"]) == ("paid", "over_budget")
    assert not model.received
    assert platform.ask("bob", WHY)["usage"]["writer"].startswith("chat:paid:")
    budget(platform, scope="user", subject="user:alice", period="day", tokens=10_000_000)
    assert platform.ask("alice", WHY)["usage"]["writer"].startswith("chat:paid:")
    (listed,) = platform.ok("GET", "/v1/budgets")["budgets"]
    assert listed["id"] == made["id"] and 0 < listed["spent_tokens"] < 10_000


def test_a_soft_budget_is_named_in_the_answer(platform: Platform) -> None:
    made = budget(platform, scope="tenant", period="month", money="0.001", hard=False)
    told = platform.ask("alice", WHY)["usage"]
    assert told["writer"].startswith("chat:paid:") and told["over_budget"] == [made["id"]]


def test_of_a_call_that_fails_the_prompt_counts_where_it_was_read(platform: Platform, model: FakeChat) -> None:
    budget(platform, scope="user", subject="user:alice", period="day", tokens=10_000_000)
    for behaviour, counted in (("refuses_key", False), ("garbage", True)):
        model.behave(behaviour)
        before = platform.ok("GET", "/v1/budgets")["budgets"][0]["spent_tokens"]
        platform.ask("alice", WHY)
        after = platform.ok("GET", "/v1/budgets")["budgets"][0]["spent_tokens"]
        assert (after > before) == counted
    assert {"refused", "malformed"} <= set(usage(platform, "outcome"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "user", "subject": "user:alice"}, "money"),
        ({"scope": "tenant", "subject": "user:alice", "tokens": 1}, "subject"),
        ({"scope": "user", "tokens": 1}, "subject"),
        ({"scope": "user", "subject": "group:staff", "tokens": 1}, "subject"),
        ({"scope": "planet", "tokens": 1}, "scope"),
        ({"scope": "tenant", "tokens": -1}, "tokens"),
        ({"scope": "tenant", "money": "NaN"}, "money"),
        ({"scope": "tenant", "tokens": 1, "period": "year"}, "period"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(platform: Platform, body: dict[str, Any], field: str) -> None:
    problem(platform.http.put("/v1/budgets", json=body), 422, "invalid_input", field)


def test_only_administrators_see_and_set_it(platform: Platform) -> None:
    for method, path in (("GET", "/v1/usage"), ("GET", "/v1/budgets"), ("DELETE", "/v1/budgets/x")):
        assert platform.http.request(method, path, headers={"Authorization": "Bearer vouch_no"}).status_code == 401
    problem(platform.http.delete("/v1/budgets/none"), 404, "not_found")
    asked = {"since": "2026-03-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
    problem(platform.http.get("/v1/usage", params=asked), 422, "invalid_input", "since")


def test_usage_as_a_spreadsheet_reads_it(platform: Platform) -> None:
    platform.ask("alice", WHY)
    response = platform.http.get("/v1/usage", params={"by": "user", "format": "csv"})
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert {"user", "currency", "calls", "input_tokens", "output_tokens", "cost"} == set(rows[0])
    assert "user:alice" in {row["user"] for row in rows}


def test_by_the_command_line(platform: Platform) -> None:
    made = json.loads(_vouch(platform, "budget", "set", "group", "group:staff", "--money", "0.5", "--json"))
    assert made["scope"] == "group" and Decimal(made["money"]) == Decimal("0.5")
    assert made["id"] in _vouch(platform, "budget", "list")
    platform.ask("alice", WHY)
    assert json.loads(_vouch(platform, "usage", "--by", "model", "--json"))["rows"][0]["value"] == "paid"
    assert "paid" in _vouch(platform, "usage", "--by", "model") + _vouch(platform, "usage", "--by", "model", "--csv")
    _vouch(platform, "budget", "drop", made["id"])
    assert made["id"] not in _vouch(platform, "budget", "list")


def _vouch(platform: Platform, *arguments: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOUCH_")}
    where = {"VOUCH_URL": str(platform.http.base_url), "VOUCH_API_KEY": admin_key(platform.settings)}
    command = [sys.executable, "-m", "vouch.cli", *arguments]
    return subprocess.run(command, env=own | where, capture_output=True, text=True, check=True).stdout


def test_an_api_killed_while_a_model_writes_answers_again_and_the_budget_comes_back(
    platform: Platform, model: FakeChat
) -> None:
    """The asker gets a broken connection and nothing else; what was set aside is given back, less the prompt."""
    before = platform.ask("bob", WHY)["usage"]
    bobs = budget(platform, scope="user", subject="user:bob", period="month", tokens=20_000)
    model.behave("held")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(platform.post, "bob", "/v1/ask", question=WHY)
        platform.until(lambda: model.received)
        taken = platform.ok("GET", "/v1/budgets")["budgets"][0]["spent_tokens"]
        os.kill(platform.running.supervisor.pids()["api"], signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            asked.result()
    model.behave("honest")
    platform.until(lambda: platform.http.get("/readyz").status_code == 200)
    assert taken > before["input_tokens"] + before["output_tokens"]
    assert "140 euros" in platform.ask("bob", WHY)["text"]

    with psycopg.connect(database_url(platform.settings)) as connection:  # some minutes have gone by
        for table, column in (("budget", "created_at"), ("model_call", "at")):
            connection.execute(f"UPDATE {table} SET {column} = {column} - interval '10 min'")
    platform.until(lambda: "died" in usage(platform, "outcome"))
    (left,) = (one for one in platform.ok("GET", "/v1/budgets")["budgets"] if one["id"] == bobs["id"])
    assert "open" not in usage(platform, "outcome")
    assert before["input_tokens"] < left["spent_tokens"] < taken + before["input_tokens"] + before["output_tokens"]
