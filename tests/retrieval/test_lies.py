"""A model that lies about what it quotes, in every way that we know: what is released is the documents' own text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.quoted import DOCUMENTS, QUESTIONS
from tests.retrieval.world import TENANT, World
from vouch.catalog.tables import DocumentVersion
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.fake_lying import ELSEWHERE, KINDS, lie
from vouch.gateway.gateway import Gateway

PASSAGES = [
    {"id": "1", "title": "Hotels", "text": "Hotels are reimbursed up to 140 euros. Café “Größe” is not."},
    {"id": "2", "title": "Trains", "text": "Trains are preferred - by all."},
]


@pytest.fixture
def liar(empty: World, tmp_path: Path) -> Iterator[FakeChat]:
    for name, (text, allow) in DOCUMENTS.items():
        empty.document(name, text, allow=allow, project=False)
    empty.projector.catch_up()
    with FakeChat("lying") as server:
        gateway = Gateway.open(Settings(data_dir=tmp_path, chat_url=server.url, chat_model="liar"))
        empty.use(gateway=gateway)
        yield server
        gateway.close()


def test_each_kind_of_lie_is_told_and_the_same_reply_is_the_same_again() -> None:
    replies = [lie(n, "What?", PASSAGES) for n in range(len(KINDS))]
    assert replies == [lie(n, "What?", PASSAGES) for n in range(len(KINDS))]
    quotes = {one["quote"] for reply in replies for claim in reply["claims"] for one in claim["citations"]}
    true = [quote for quote in quotes if quote and any(quote in passage["text"] for passage in PASSAGES)]
    assert 0 < len(true) < len(quotes) / 2
    assert any(ELSEWHERE in json.dumps(reply) for reply in replies)


def test_what_is_released_past_a_liar_is_the_documents_own_text(empty: World, liar: FakeChat) -> None:
    """Held against the blobs, and not by what verified it."""
    cited = refused = 0
    for n in range(len(KINDS)):
        answer = empty.ask("bob", QUESTIONS[n % len(QUESTIONS)])
        refused += answer["rejected"]
        cited += len(answer["citations"])
        assert all(_exact(empty, citation) for citation in answer["citations"])
        assert not {citation["external_id"] for citation in answer["citations"]} & {"board", "rates"}
        assert ELSEWHERE not in json.dumps(answer)
    assert cited > 50 and refused > 50
    assert len(liar.received) >= len(KINDS)


def test_a_claim_that_the_catalog_cannot_keep_is_refused_like_any_other(
    empty: World, liar: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes no null character, and what is refused stands in the trace."""
    false = {"text": "Trains\x00 are free.", "citations": [{"passage": "1", "quote": "Trains\x00 are free."}]}
    monkeypatch.setattr(
        "vouch.gateway.fake_chat.lie", lambda *_: {"claims": [false], "insufficient": False, "missing": None}
    )
    answer = empty.ask("bob", QUESTIONS[0])
    assert answer["kind"] == "abstention" and answer["rejected"] == 1
    (rejection,) = empty.get(f"/traces/{answer['trace_id']}", "bob").json()["rejected"]
    assert (rejection["claim"], rejection["reason"]) == ("Trains are free.", "altered_quote")


def _exact(world: World, citation: Json) -> bool:
    with world.catalog.reading(TENANT) as session:
        version = session.get_one(DocumentVersion, (TENANT, citation["document_id"], citation["version"]))
        digest = version.text
    assert digest is not None
    whole = world.services.blobs.get(TENANT, digest).decode()
    span = citation["span"]
    return bool(citation["quote"].strip()) and whole[span["start"] : span["end"]] == citation["quote"]
