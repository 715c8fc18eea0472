"""The file of models: what it may say, who is answered by which, and that no mistake in it goes unnoticed."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from vouch.core.deadline import Deadline
from vouch.core.errors import BadConfig, ModelUnavailable
from vouch.core.settings import Settings
from vouch.gateway.chat import DraftRequest, PassageText
from vouch.gateway.chat_agent import AgentChat
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Call, Gateway
from vouch.gateway.loop import Loop
from vouch.gateway.model_file import EXTRACTIVE, ModelFile, read_models
from vouch.gateway.providers import model_of

LOCAL = '[models.local]\nprovider = "openai"\nurl = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
EVERY_PROVIDER = f"""
{LOCAL}
[models.azure]
provider = "azure"
url = "https://company.openai.azure.example"
model = "deployed"
api_version = "2024-10-21"
key = {{ env = "A_KEY" }}
[models.anthropic]
provider = "anthropic"
model = "claude-some"
key = {{ env = "A_KEY" }}
[models.google]
provider = "google"
model = "gemini-some"
key = {{ env = "A_KEY" }}
[models.bedrock]
provider = "bedrock"
model = "anthropic.some-v1:0"
region = "eu-central-1"
key = {{ env = "A_KEY" }}
"""


def read(tmp_path: Path, text: str) -> ModelFile:
    (tmp_path / "models.toml").write_text(text)
    found = read_models(Settings(models=tmp_path / "models.toml"))
    assert found is not None
    return found


def test_every_provider_makes_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-for-all")
    file = read(tmp_path, EVERY_PROVIDER)
    made = {name: model_of(spec) for name, spec in file.models.items()}
    assert {name: model.model_name for name, model in made.items()} == {
        name: spec.model for name, spec in file.models.items()
    }
    assert len({type(model) for model in made.values()}) == 4  # Azure speaks OpenAI's protocol
    for name, spec in file.models.items():
        assert AgentChat(name, spec, Loop("test")).name == name


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("models = 3", "models.models", "dictionary"),
        ("not toml", "models", "not TOML"),
        (LOCAL + "colour = 1", "models.models.local.colour", "Extra"),
        (LOCAL.replace('"openai"', '"other"'), "models.models.local.provider", "openai"),
        (LOCAL.replace("http://", "ftp://"), "models.models.local.url", "http"),
        (LOCAL.replace("http://", "http://me:hidden@"), "models.models.local.url", "credential"),
        (LOCAL.replace('url = "http://127.0.0.1:1/v1"\n', ""), "models.models.local", "needs a url"),
        (LOCAL + 'key = "sk-in-the-file"', "models.models.local.key", "dictionary"),
        (LOCAL + "key = { }", "models.models.local.key", "either a variable"),
        (LOCAL + 'key = { env = "A", file = "/b" }', "models.models.local.key", "either a variable"),
        (LOCAL + "price = { input = -1 }", "models.models.local.price.input", "greater"),
        (LOCAL + "data_classes = []", "models.models.local.data_classes", "at least 1"),
        (LOCAL + 'data_classes = ["Public"]', "models.models.local.data_classes.0", "pattern"),
        (LOCAL + '[[routes]]\nmodels = ["local"]\ndata_classes = []', "models.routes.0.data_classes", "at least 1"),
        (LOCAL + '[[routes]]\nmodels = ["gone"]', "models", "gone"),
        (LOCAL + '[[routes]]\nmodels = ["local", "local"]', "models", "twice"),
        (LOCAL + '[[routes]]\nmodels = []', "models.routes.0.models", "at least 1"),
        (LOCAL + '[[routes]]\nmodels = ["local"]\ndifficulty = ["hard"]', "models.routes.0.difficulty.0", "lookup"),
        (LOCAL.replace("local", EXTRACTIVE), "models", "no name"),
        (LOCAL.replace("[models.local]", '[models." "]'), "models", "no name"),
        ('currency = "euro"\n' + LOCAL, "models.currency", "pattern"),
        ('[models.a]\nprovider = "anthropic"\nmodel = "m"', "models.models.a", "needs a key"),
        ('[models.b]\nprovider = "bedrock"\nmodel = "m"', "models.models.b", "needs a region"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, field: str, words: str) -> None:
    with pytest.raises(BadConfig) as refused:
        read(tmp_path, text)
    assert refused.value.field == field and words in refused.value.detail
    assert "hidden" not in refused.value.detail and "sk-in-the-file" not in refused.value.detail


def test_a_file_that_is_not_there_and_two_ways_at_once(tmp_path: Path) -> None:
    for given in ({"models": tmp_path / "none.toml"}, {"models": tmp_path, "chat_url": "http://x/v1"}):
        with pytest.raises(BadConfig) as refused:
            read_models(Settings.model_validate(given))
        assert refused.value.field == "models"


@pytest.mark.parametrize("value", [None, "", "changeme"])
def test_a_key_that_is_missing_is_found_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("A_KEY", value)
    (tmp_path / "models.toml").write_text(LOCAL + 'key = { env = "A_KEY" }')
    with pytest.raises(BadConfig):
        Gateway.open(Settings(models=tmp_path / "models.toml"))


def test_a_key_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-a-file\n")
    spec = read(tmp_path, LOCAL + f'key = {{ file = "{tmp_path}/key" }}').models["local"]
    assert spec.key is not None and spec.key.read() == "sk-from-a-file"
    (tmp_path / "key").unlink()
    with pytest.raises(BadConfig):
        spec.key.read()


def test_the_first_route_that_fits_is_taken(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        LOCAL
        + LOCAL.replace("local", "own") + 'tenants = ["acme"]\n'
        + '[[routes]]\nworkflows = ["mail"]\nmodels = ["own"]\nlast_resort = false\n'
        + '[[routes]]\ntenants = ["acme"]\ndifficulty = ["lookup"]\nmodels = ["extractive", "own"]\n'
        + '[[routes]]\ndifficulty = ["synthesis"]\nmodels = ["own", "local"]\n'
    )  # fmt: skip
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    assert gateway.chain(Call("acme", "lookup", "mail")) == ("own",)
    assert gateway.chain(Call("other", "lookup", "mail")) == ()
    assert gateway.chain(Call("acme", "lookup")) == (EXTRACTIVE, "own")
    assert gateway.chain(Call("acme", "synthesis")) == ("own", "local", EXTRACTIVE)
    assert gateway.chain(Call("other", "synthesis")) == ("local", EXTRACTIVE)
    assert gateway.chain(Call("other", "lookup")) == (EXTRACTIVE,)


def test_a_route_of_classes_fits_where_there_is_nothing_of_another(tmp_path: Path) -> None:
    route = '[[routes]]\ndata_classes = ["public", "unclassified"]\nmodels = ["local"]\n'
    (tmp_path / "models.toml").write_text(LOCAL + route)
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    for told in (set(), {"public"}, {"public", "unclassified"}):
        assert gateway.chain(Call("a", "lookup", None, frozenset(told))) == ("local", EXTRACTIVE)
    for told in ({"internal"}, {"public", "internal"}, {"publicity"}):
        assert gateway.chain(Call("a", "lookup", None, frozenset(told))) == (EXTRACTIVE,)
    (tmp_path / "models.toml").write_text(LOCAL + route.replace(', "unclassified"', ""))
    assert Gateway.open(Settings(models=tmp_path / "models.toml")).chain(Call("a", "lookup")) == (EXTRACTIVE,)


def test_nothing_is_sent_to_a_model_but_what_is_of_its_classes(tmp_path: Path) -> None:
    with FakeChat() as server:
        told = LOCAL.replace("http://127.0.0.1:1/v1", server.url) + 'data_classes = ["public"]\n'
        (tmp_path / "models.toml").write_text(told)
        gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
        plain = DraftRequest("How long is leave?", (PassageText("1", "Leave", "Leave is 20 days."),), "Answer.")
        for classes in ({"internal"}, {"public", "internal"}, {"unclassified"}):
            with pytest.raises(ModelUnavailable) as refused:
                gateway.write("local", replace(plain, data_classes=frozenset(classes)), Deadline.of(60))
            assert refused.value.extra["reason"] == "data_class" and not server.received
        with pytest.raises(
            ModelUnavailable
        ):  # whoever does not say what the passages are has said that they are of none
            gateway.write("local", plain, Deadline.of(60))
        gateway.write("local", replace(plain, data_classes=frozenset({"public"})), Deadline.of(60))
        assert len(server.received) == 1 and "public" not in str(server.received[0].body)
        gateway.close()


def test_without_routes_all_are_tried_in_order(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(LOCAL.replace("local", "b") + LOCAL.replace("local", "a"))
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    assert gateway.chain(Call("any", "lookup")) == ("b", "a", EXTRACTIVE)


def test_the_guides_example_is_a_file_of_models(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "models.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    file = read(tmp_path, example)
    assert set(file.models) == {"small", "strong"} and len(file.routes) == 3


def test_what_a_call_cost(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(LOCAL + "price = { input = 0.15, output = 0.6 }")
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    assert gateway.cost("local", 1_000_000, 500_000) == Decimal("0.45")
    assert gateway.currency == "USD" and Gateway().cost("local", 1, 1) == 0
