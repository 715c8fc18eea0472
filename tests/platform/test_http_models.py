"""Several models from one file: who is answered by which, what it cost, and that every question ends in time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.platform.conftest import Platform, platform_on, problem
from vouch.core.settings import Settings
from vouch.gateway.breaker import OPENS_AT
from vouch.gateway.fake_chat import BEHAVIOURS, FakeChat

HOTEL = "How much is reimbursed for a hotel per night?"
WHY = "Explain why hotels are reimbursed up to that sum per night."
DOCUMENTS = {
    "hotels": "Hotels are reimbursed up to 140 euros per night.",
    "trains": "Trains are reimbursed in second class.",
}
DEADLINE_S = 8.0
FILE = """
currency = "EUR"

[models.strong]
provider = "openai"
url = "{strong}"
model = "fake-strong"
key = {{ env = "KEY_OF_THE_STRONG" }}
price = {{ input = 3, output = 15 }}
timeout_s = 2
retries = 0

[models.small]
provider = "openai"
url = "{small}"
model = "fake-small"
price = {{ input = 0.5, output = 1.5 }}
timeout_s = 2
retries = 0

[models.elsewhere]
provider = "openai"
url = "{small}"
model = "fake-small"
tenants = ["another"]

[[routes]]
workflows = ["strict"]
models = ["elsewhere", "strong"]
last_resort = false

[models.open]
provider = "openai"
url = "{strong}"
model = "fake-open"
data_classes = ["public"]
retries = 0

[[routes]]
workflows = ["classed"]
models = ["open", "small"]
last_resort = false

[[routes]]
workflows = ["nobody"]
models = ["elsewhere"]
last_resort = false

[[routes]]
difficulty = ["lookup"]
models = ["extractive", "small"]

[[routes]]
models = ["strong", "small"]
"""


@pytest.fixture(scope="module")
def models() -> Iterator[tuple[FakeChat, FakeChat]]:
    with FakeChat() as strong, FakeChat() as small:
        yield strong, small


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    model_settings: Settings,
    embedder: object,
    models: tuple[FakeChat, FakeChat],
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("models")
    file = folder / "models.toml"
    file.write_text(FILE.format(strong=models[0].url, small=models[1].url))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEY_OF_THE_STRONG", "sk-of-the-strong-one")
        given = {"models": file, "ask_deadline_s": DEADLINE_S, "reuse": "off"}  # questions are asked again
        with platform_on(folder / "data", model_settings, **given) as platform:
            source = platform.source("travel")
            for name, text in DOCUMENTS.items():
                platform.pushed(source, name, f"# {name.title()}\n\n{text}\n", "authenticated")
            yield platform


@pytest.fixture(autouse=True)
def closed(models: tuple[FakeChat, FakeChat]) -> None:
    for model in models:
        model.behave("honest")


def test_a_fact_is_looked_up_without_a_model(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    answer = platform.ask("bob", HOTEL)
    assert answer["usage"]["writer"] == "extractive" and "140 euros" in answer["text"]
    assert not models[0].received and not models[1].received


def test_what_the_sentences_do_not_answer_goes_on_to_the_model(
    platform: Platform, models: tuple[FakeChat, FakeChat]
) -> None:
    answer = platform.ask("bob", "Which submarine does the navy recommend?")
    assert answer["usage"]["attempts"][0]["outcome"] == "abstained"
    assert len(models[1].received) == 1 and not models[0].received


def test_what_has_to_be_put_together_is_the_strong_models(
    platform: Platform, models: tuple[FakeChat, FakeChat]
) -> None:
    answer = platform.ask("bob", WHY)
    usage = answer["usage"]
    assert usage["writer"].startswith("chat:strong:answer.v") and usage["currency"] == "EUR"
    expected = (3 * usage["input_tokens"] + 15 * usage["output_tokens"]) / 1_000_000
    assert float(usage["cost"]) == pytest.approx(expected) and expected > 0
    (sent,) = models[0].received
    assert sent.authorization == "Bearer sk-of-the-strong-one" and sent.body["model"] == "fake-strong"


def test_the_next_model_of_the_route_takes_over(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    models[0].behave("wrong_schema")
    usage = platform.ask("bob", WHY)["usage"]
    assert usage["writer"].startswith("chat:small:")
    tried = [(one["writer"], one["outcome"]) for one in usage["attempts"]]
    assert tried == [("strong", "malformed"), ("small", "wrote")]


def test_without_a_last_resort_it_is_said_what_failed(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    models[0].behave("garbage")
    response = platform.post("bob", "/v1/ask", question=WHY, workflow="strict")
    said = problem(response, 503, "model_unavailable")
    assert said["reason"] == "malformed" and response.headers["retry-after"]
    assert "sk-of-the-strong-one" not in response.text and models[0].url not in response.text
    assert platform.ask("bob", WHY, workflow="strict", profile="extractive")["usage"]["writer"] == "extractive"


def test_a_model_of_another_tenant_is_not_asked(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    assert platform.ask("bob", WHY, workflow="strict")["usage"]["writer"].startswith("chat:strong:")
    problem(platform.post("bob", "/v1/ask", question=WHY, workflow="nobody"), 503, "model_unavailable")


def test_another_class_of_a_source_holds_from_the_next_question_on(
    platform: Platform, models: tuple[FakeChat, FakeChat]
) -> None:
    source = platform.source("wages", data_class="personal")
    assert platform.ok("GET", f"/v1/sources/{source}")["data_class"] == "personal"
    platform.pushed(source, "wages", "# Wages\n\nWages are paid on the 25th.\n", "authenticated")
    ask = {"filter": {"source": [source]}, "workflow": "classed"}
    question = "Explain when wages are paid."
    tried = platform.ask("bob", question, **ask)["usage"]["attempts"]
    assert [(one["writer"], one["outcome"]) for one in tried] == [("open", "data_class"), ("small", "wrote")]
    assert not models[0].received
    platform.ok("PATCH", f"/v1/sources/{source}", json={"data_class": "public"})
    assert platform.ask("bob", question, **ask)["usage"]["writer"].startswith("chat:open:")
    (page,) = [one for one in platform.ok("GET", "/v1/sources")["sources"] if one["id"] == source]
    assert page["data_class"] == "public"
    assert platform.ok("PATCH", f"/v1/sources/{source}", json={"data_class": None})["data_class"] is None
    models[1].behave("server_error")
    said = problem(platform.post("bob", "/v1/ask", question=question, **ask), 503, "model_unavailable")
    assert said["reason"] == "server_error" and len(models[0].received) == 1


def test_a_workflow_has_a_name(platform: Platform) -> None:
    problem(platform.post("bob", "/v1/ask", question=WHY, workflow="Not a name!"), 422, "invalid_input", "workflow")


def test_every_question_ends_in_time_whatever_the_models_do(
    platform: Platform, models: tuple[FakeChat, FakeChat]
) -> None:
    """In an answer, by whichever writer, or in an error that says what failed."""
    for behaviour in BEHAVIOURS:
        if behaviour == "held":
            continue
        for model in models:
            model.behave(behaviour)
        for workflow in ("strict", "usual"):
            began = time.monotonic()
            response = platform.post("bob", "/v1/ask", question=WHY, workflow=workflow)
            assert time.monotonic() - began < DEADLINE_S + 5
            if response.status_code == 200:
                body = response.json()
                assert body["kind"] in ("answer", "abstention")
                assert all(claim["citations"] for claim in body["claims"])
            else:
                assert workflow == "strict" and response.json()["code"] == "model_unavailable"


def test_what_fails_again_and_again_is_left_out(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    models[0].behave("server_error")
    for _ in range(OPENS_AT):
        platform.ask("bob", WHY)
    models[0].behave("server_error")
    attempts = platform.ask("bob", WHY)["usage"]["attempts"]
    assert (attempts[0]["writer"], attempts[0]["outcome"]) == ("strong", "circuit_open")
    assert not models[0].received


def test_many_questions_at_once_are_all_answered(platform: Platform, models: tuple[FakeChat, FakeChat]) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: platform.ask("bob", WHY), range(24)))
    assert all("140 euros" in json.dumps(answer["claims"]) for answer in answers)
