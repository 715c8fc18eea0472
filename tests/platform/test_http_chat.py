"""With a chat model: what it writes is shown only as far as it is verified, whatever it says and however it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.platform.conftest import Platform, acting, platform_on
from vouch.core.settings import Settings
from vouch.gateway.fake_chat import FakeChat

KEY = "sk-a-very-private-key-0123456789"
HOTEL = "How much is reimbursed for a hotel per night?"
DOCUMENTS = {
    "hotels": ("Hotels are reimbursed up to 140 euros per night.", "authenticated"),
    "trains": ("Trains are reimbursed in second class. A hotel near the station is preferred.", "authenticated"),
    "meals": ("Meals are reimbursed up to 45 euros per day at any hotel.", "authenticated"),
    "board": ("The board's hotel is reimbursed up to 390 euros per night.", "group:staff"),
}


@pytest.fixture(scope="module")
def model() -> Iterator[FakeChat]:
    with FakeChat() as server:
        yield server


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object, model: FakeChat
) -> Iterator[Platform]:
    """One whose answers are written by ``model``."""
    given = {
        "chat_url": model.url,
        "chat_model": "some-model",
        "chat_api_key": KEY,
        "chat_timeout_s": 2,
        "reuse": "off",
    }
    with platform_on(tmp_path_factory.mktemp("platform") / "data", model_settings, **given) as platform:
        source = platform.source("travel")
        for name, (text, who) in DOCUMENTS.items():
            platform.pushed(source, name, f"# {name.title()}\n\n{text}\n", who)
        yield platform


def _events(response: httpx.Response) -> list[tuple[str, str]]:
    events, name = [], ""
    for line in response.iter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            events.append((name, line.removeprefix("data:").strip()))
    return events


def _stream(platform: Platform, user: str, question: str) -> list[tuple[str, str]]:
    body = {"question": question, "stream": True}
    with platform.http.stream("POST", "/v1/ask", headers=acting(user), json=body) as response:
        assert response.status_code == 200
        return _events(response)


def test_an_honest_model_answers_with_citations_that_hold(platform: Platform, model: FakeChat) -> None:
    model.behave("honest")
    answer = platform.ask("bob", HOTEL)
    assert (answer["kind"], answer["rejected"]) == ("answer", 0)
    assert "140 euros" in answer["text"]
    for citation in answer["citations"]:
        span = citation["span"]
        text = platform.get(
            "bob", f"/v1/documents/{citation['document_id']}/text", params={"start": span["start"], "end": span["end"]}
        ).json()["text"]
        assert text == citation["quote"]
    assert answer["usage"]["writer"].startswith("chat:some-model:answer.v")
    assert answer["usage"]["input_tokens"] > 0 and answer["usage"]["output_tokens"] > 0
    trace = platform.get("bob", f"/v1/traces/{answer['trace_id']}").json()
    assert trace["writer"]["model"] and trace["rejected"] == []
    (sent,) = model.received
    assert sent.authorization == f"Bearer {KEY}"


def test_the_model_is_shown_only_what_the_asker_may_read(platform: Platform, model: FakeChat) -> None:
    model.behave("honest")
    platform.ask("bob", HOTEL)
    platform.ask("alice", HOTEL)
    assert ["390" in json.dumps(sent.body) for sent in model.received] == [False, True]


@pytest.mark.parametrize(
    ("lie", "reasons"),
    [
        ("unknown_passage", {"unknown_citation"}),
        ("altered_quote", {"altered_quote"}),
        ("swapped_ids", {"altered_quote"}),
        ("uncited", {"no_citation"}),
    ],
)
def test_a_lie_is_refused_counted_and_never_shown(
    platform: Platform, model: FakeChat, lie: str, reasons: set[str]
) -> None:
    model.behave(lie)
    answer = platform.ask("bob", HOTEL)
    assert (answer["kind"], answer["claims"], answer["citations"]) == ("abstention", [], [])
    assert answer["rejected"] >= 1
    assert "euros" not in answer["text"]
    trace = platform.get("bob", f"/v1/traces/{answer['trace_id']}").json()
    assert {rejection["reason"] for rejection in trace["rejected"]} == reasons
    assert platform.get("bob", f"/v1/answers/{answer['answer_id']}").json()["kind"] == "abstention"

    events = _stream(platform, "bob", HOTEL)
    assert events[-1][0] == "answer" and json.loads(events[-1][1])["kind"] == "abstention"
    assert "citation" not in {name for name, _ in events}
    assert "euros" not in json.dumps([data for name, data in events if name != "step"])


def test_of_an_answer_that_lies_in_part_the_true_part_is_shown(platform: Platform, model: FakeChat) -> None:
    model.behave("half_true")
    answer = platform.ask("bob", HOTEL)
    assert (answer["kind"], answer["rejected"], len(answer["claims"])) == ("answer", 1, 1)
    assert len(model.received) == 2  # it was asked to mend what it then says again
    assert [notice["kind"] for notice in answer["notices"]] == ["left_out"] and answer["notices"][0][
        "document_id"
    ] is None
    (citation,) = answer["citations"]
    assert citation["quote"] == answer["claims"][0]["text"] == "Hotels are reimbursed up to 140 euros per night."


def test_what_was_refused_is_written_again_once_and_is_in_the_answer_if_it_holds_then(
    platform: Platform, model: FakeChat
) -> None:
    model.behave("half_true", "honest")
    answer = platform.ask("bob", HOTEL)
    assert len(answer["claims"]) == len(answer["citations"]) == 2 and answer["notices"] == []
    assert answer["rejected"] == 1 and answer["usage"]["requests"] == 2
    first, second = (sent.body["messages"] for sent in model.received)
    assert "altered_quote" not in json.dumps(first) and "altered_quote" in json.dumps(second)
    trace = platform.get("bob", f"/v1/traces/{answer['trace_id']}").json()
    assert "repair" in {step["name"] for step in trace["steps"]}
    calls = platform.ok("GET", "/v1/usage", params={"by": "outcome"})["rows"]
    assert sum(row["calls"] for row in calls if row["value"] == "wrote") >= 2


def test_a_sentence_leaves_once_it_is_verified_while_the_model_writes_the_next(
    platform: Platform, model: FakeChat
) -> None:
    model.behave("pauses")
    body = {"question": HOTEL, "stream": True}
    with platform.http.stream("POST", "/v1/ask", headers=acting("bob"), json=body) as response:
        told: list[str] = []
        for line in response.iter_lines():
            if line.startswith("event: token") and "token" not in told:
                model.release()  # nobody but who has the first sentence lets the model write the second
            if line.startswith("event:"):
                told.append(line.removeprefix("event:").strip())
    assert told[-1] == "answer" and told.count("token") == told.count("citation") == 2
    assert told.index("token") < told.index("citation") < len(told) - 1


def test_a_model_that_breaks_off_leaves_what_was_told_and_the_answer_says_so(
    platform: Platform, model: FakeChat
) -> None:
    model.behave("breaks_off")
    events = _stream(platform, "bob", HOTEL)
    tokens = [json.loads(data)["text"] for name, data in events if name == "token"]
    name, data = events[-1]
    answer = json.loads(data)
    assert name == "answer" and answer["text"] == "".join(tokens) and len(tokens) == 1
    assert [notice["kind"] for notice in answer["notices"]] == ["incomplete"]
    assert answer["usage"]["cut_off"] in ("malformed", "server_error") and len(model.received) == 1
    kept = platform.get("bob", f"/v1/answers/{answer['answer_id']}").json()
    assert kept["notices"] == answer["notices"] and kept["text"] == answer["text"]


def test_a_question_that_asks_two_things_is_answered_in_both(platform: Platform, model: FakeChat) -> None:
    model.behave("honest")
    asked = "How much is reimbursed for a hotel per night and in which class are trains reimbursed?"
    answer = platform.ask("bob", asked, profile="extractive")
    assert "140 euros" in answer["text"] and "second class" in answer["text"]
    trace = platform.get("bob", f"/v1/traces/{answer['trace_id']}").json()
    assert [part["asked"] for part in trace["rewrite"]["parts"]] == asked.rstrip("?").split(" and ")
    half = platform.ask(
        "bob", "How much is reimbursed for a hotel per night? And which submarine does the navy recommend?",
        profile="extractive",
    )  # fmt: skip
    assert "140 euros" in half["text"]
    assert [(n["kind"], "submarine" in n["text"]) for n in half["notices"]] == [("incomplete", True)]


def test_a_model_is_told_who_answers_for_a_passage_and_what_stands_around_it(
    platform: Platform, model: FakeChat
) -> None:
    model.behave("honest")
    platform.ask("bob", HOTEL)
    content = model.received[0].body["messages"][-1]["content"]
    assert '"modified_at"' in content and "reimbursed" in content


def test_a_model_that_finds_nothing_abstains_in_our_words(platform: Platform, model: FakeChat) -> None:
    model.behave("insufficient")
    answer = platform.ask("bob", "Which submarine does the navy recommend?")
    assert answer["kind"] == "abstention" and "submarine" in answer["abstention"]["missing"]
    assert "the figure asked for" not in json.dumps(answer)  # prose of the model's that nothing verified


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("server_error", "server_error"), ("rate_limited", "rate_limited"), ("refuses_key", "refused"),
        ("garbage", "malformed"), ("wrong_schema", "malformed"), ("truncated_output", "malformed"),
        ("truncated_json", "server_error"), ("hangs", "timeout"),
    ],
)  # fmt: skip
def test_where_a_model_fails_the_documents_own_sentences_answer(
    platform: Platform, model: FakeChat, failure: str, reason: str
) -> None:
    model.behave("honest", failure)  # what works in between is not left out
    assert platform.ask("bob", HOTEL)["usage"]["writer"].startswith("chat:some-model:")
    answer = platform.ask("bob", HOTEL)
    assert "140 euros" in answer["text"] and answer["usage"]["writer"] == "extractive"
    tried = [(one["writer"], one["outcome"]) for one in answer["usage"]["attempts"]]
    assert tried == [("some-model", reason), ("extractive", "wrote")]
    trace = platform.get("bob", f"/v1/traces/{answer['trace_id']}").json()
    assert trace["writer"]["attempts"] == answer["usage"]["attempts"]
    assert KEY not in json.dumps([answer, trace]) and model.url not in json.dumps([answer, trace])

    events = _stream(platform, "bob", HOTEL)
    assert events[-1][0] == "answer" and "140 euros" in json.loads(events[-1][1])["text"]
    assert 'writer="some-model"' in platform.http.get("/metrics").text


def test_bad_output_is_sent_back_once(platform: Platform, model: FakeChat) -> None:
    model.behave("wrong_schema", "honest")
    answer = platform.ask("bob", HOTEL)
    assert answer["kind"] == "answer" and answer["usage"]["requests"] == len(model.received) == 2


def test_prose_depends_on_all_that_its_writer_was_shown(platform: Platform, model: FakeChat) -> None:
    """The model read the board's document too, so who may not read that may not read its prose again.
    A claim that is nothing but its quote was made of what it cites, and of nothing else."""
    asked = "In which class are trains reimbursed?"
    model.behave("paraphrased", "honest")
    prose, verbatim = (platform.ask("alice", asked) for _ in range(2))
    for answer in (prose, verbatim):
        assert "second class" in answer["text"]
        trace = platform.get("alice", f"/v1/traces/{answer['trace_id']}").json()
        assert {p["document_id"] for p in trace["passages"]} > {c["document_id"] for c in answer["citations"]}
    assert all("390" in json.dumps(sent.body) for sent in model.received)
    paths = [f"/v1/answers/{answer['answer_id']}" for answer in (prose, verbatim)]
    assert [platform.get("alice", path).status_code for path in paths] == [200, 200]
    platform.ok("POST", "/v1/directory/groups/staff/members", json={"remove": ["user:alice"]})
    try:
        assert [platform.get("alice", path).status_code for path in paths] == [404, 200]
        assert platform.get("alice", f"/v1/traces/{prose['trace_id']}").json()["answer"] is None
    finally:
        platform.ok("POST", "/v1/directory/groups/staff/members", json={"add": ["user:alice"]})


def test_the_key_of_the_model_is_in_no_response_and_no_log(platform: Platform, model: FakeChat) -> None:
    model.behave("refuses_key")
    platform.post("bob", "/v1/ask", question=HOTEL)
    for path in ("/metrics", "/openapi.json", "/readyz"):
        assert KEY not in platform.http.get(path).text
