"""With a model outside: it sees no personal data and no secret, and the answer has both where the document has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.retrieval.world import World
from vouch.core.settings import Settings
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

MAIL, PHONE, PASSWORD = "ann.lee@mail.example.org", "0489 25 37 29", "Tr0ub4dor&3"
WIFI = (
    f"The guest network's password is {PASSWORD} until spring.\n\n"
    f"Ann Lee of facilities answers questions about the guest network at {MAIL} or by phone, {PHONE}."
)
ASKED = f"Does {MAIL} answer questions about the guest network's password?"


@pytest.fixture
def outside(empty: World) -> Iterator[FakeChat]:
    empty.document(f"Guest network, {MAIL}", WIFI)
    with FakeChat("honest") as server:
        yield server


def use(world: World, server: FakeChat, **given: str) -> None:
    settings = Settings.model_validate(
        {"data_dir": world.services.settings.data_dir, "chat_url": server.url, "chat_model": "fake"}
        | {"privacy_inside": "", **given}
    )
    world.use(gateway=Gateway.open(settings))


def test_the_server_is_sent_placeholders_and_the_answer_quotes_the_document(empty: World, outside: FakeChat) -> None:
    use(empty, outside)
    answer = empty.ask("bob", ASKED)
    (received,) = outside.received
    body = json.dumps(received.body, ensure_ascii=False)
    assert not [value for value in (MAIL, PHONE, PASSWORD, "ann.lee") if value in body]
    assert "guest network" in body and "[EMAIL-1-" in body
    assert answer["kind"] == "answer" and answer["rejected"] == 0
    assert any(value in answer["text"] for value in (MAIL, PASSWORD)) and "[EMAIL-" not in answer["text"]
    for citation in answer["citations"]:
        text = empty.get(f"/documents/{citation['document_id']}/text", "bob").json()["text"]
        assert text[citation["span"]["start"] : citation["span"]["end"]] == citation["quote"]
    assert answer["usage"]["masked"] == {"email": 1, "phone": 1, "password": 1}
    trace = empty.get(f"/traces/{answer['trace_id']}", "bob").json()
    assert trace["writer"]["masked"] == {"email": 1, "phone": 1, "password": 1}


def test_a_model_inside_is_sent_everything(empty: World, outside: FakeChat) -> None:
    use(empty, outside, privacy_inside="loopback")
    assert "masked" not in empty.ask("bob", ASKED)["usage"]
    assert MAIL in json.dumps(outside.received[0].body)


def test_what_may_not_be_sent_is_not_sent_and_said(empty: World, outside: FakeChat) -> None:
    use(empty, outside, privacy="mask,secrets=refuse")
    answer = empty.ask("bob", ASKED)
    assert answer["usage"]["writer"] == "extractive"
    assert answer["usage"]["attempts"][0]["outcome"] == "withheld"
    assert outside.received == []


def test_without_a_last_resort_it_is_said_that_it_may_not_be_sent(
    empty: World, outside: FakeChat, tmp_path: Path
) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        f'[models.fake]\nprovider = "openai"\nurl = "{outside.url}"\nmodel = "m"\n'
        '[[routes]]\nmodels = ["fake"]\nlast_resort = false\n'
    )
    empty.use(gateway=Gateway.open(Settings(models=file, privacy="mask,secrets=refuse", privacy_inside="")))
    refused = empty.client.post("/v1/ask", json={"question": ASKED}, headers=empty.headers("bob"))
    assert (refused.status_code, refused.json()["code"]) == (422, "model_withheld")
    assert PASSWORD not in refused.text and outside.received == []
    listed = empty.client.post(
        "/v1/ask", json={"question": ASKED, "profile": "extractive"}, headers=empty.headers("bob")
    )
    assert listed.is_success
