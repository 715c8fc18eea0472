"""Answers, traces and documents are decided again by today's access, and forbidden looks like missing."""

from __future__ import annotations

import json

from tests.retrieval.world import World
from vouch.core.ids import new_id

QUESTION = "How many weeks of paid parental leave may a parent take?"


def test_an_answer_is_its_askers_while_all_it_cites_is_readable(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    path = f"/answers/{answer['answer_id']}"
    kept = world.get(path, "alice").json()
    assert {name: kept[name] for name in answer} == answer and kept["question"] == QUESTION
    assert world.get(f"{path}/citations", "alice").json()["citations"] == answer["citations"]
    missing = world.get(f"/answers/{new_id()}", "bob")
    for tail in ("", "/citations"):
        other = world.get(path + tail, "bob")
        assert (other.status_code, other.content, other.headers) == (404, missing.content, missing.headers)
    world.readers(answer["citations"][0]["document_id"], (), project=False)
    for tail in ("", "/citations"):
        assert world.get(path + tail, "alice").content == missing.content
    world.readers(answer["citations"][0]["document_id"], ("user:alice",), project=False)
    assert world.get(path, "alice").status_code == 200


def test_a_kept_answer_says_what_has_aged_since_and_keeps_its_quotes(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    cited = answer["citations"][0]
    world.publish(cited["document_id"], "Every parent may take 30 weeks of paid parental leave.")
    kept = world.get(f"/answers/{answer['answer_id']}", "alice").json()
    assert kept["citations"][0]["quote"] == cited["quote"] and kept["citations"][0]["version"] == 1
    span = cited["span"]
    path = f"/documents/{cited['document_id']}/text?start={span['start']}&end={span['end']}&version=1"
    assert world.get(path, "alice").json()["text"] == cited["quote"]
    assert world.get(f"/documents/{cited['document_id']}", "alice").json()["version"] == 2


def test_a_trace_loses_what_its_asker_may_no_longer_read(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    leave = answer["citations"][0]["document_id"]
    path = f"/traces/{answer['trace_id']}"
    trace = world.get(path, "alice").json()
    assert {
        "resolve",
        "rewrite",
        "search",
        "fuse",
        "recheck",
        "rerank",
        "demote",
        "pack",
        "generate",
        "verify",
        "guard",
        "release",
    } == {step["name"] for step in trace["steps"]}
    assert leave in {row["document_id"] for row in trace["candidates"]}
    assert trace["answer"]["text"] == answer["text"] and trace["answer"]["claims"] == answer["claims"]
    assert trace["index"].keys() == {"generation", "embedder"} and not trace.get("access")
    run = world.get(path, None, "admin").json()
    assert run["access"]["epoch"] > 0 and len(run["access"]["principals_hash"]) == 64 and run["index"]["plan"]
    world.readers(leave, (), project=False)
    later = world.get(path, "alice").json()
    assert leave not in json.dumps(later) and later["answer"] is None and later["query"] == QUESTION
    assert len(later["candidates"]) == len(trace["candidates"]) - 3


def test_a_refusal_is_read_again_only_while_all_that_it_was_made_from_is_readable(world: World) -> None:
    """Which words occur in what the asker may read is told by those documents."""
    question = "How many submarines visit the Berlin office?"
    refused = world.ask("bob", question)
    assert refused["kind"] == "abstention" and "submarines" in refused["text"]
    path, trace = f"/answers/{refused['answer_id']}", f"/traces/{refused['trace_id']}"
    assert world.get(path, "bob").json()["text"] == refused["text"]
    told = world.get(trace, "bob").json()
    assert told["answer"]["text"] == refused["text"] and "submarines" in told["writer"]["missing"]
    bare = world.get(trace, None, "admin").json()
    assert "submarines" not in str(bare), "an administrator reads nothing of what was asked"
    shown = {passage["document_id"] for passage in told["passages"]}
    world.readers(sorted(shown)[0], ("user:dave",), project=False)
    assert world.get(path, "bob").status_code == 404
    told = world.get(trace, "bob").json()
    assert told["answer"] is None and "missing" not in told["writer"]


def test_a_trace_is_missing_for_others_and_bare_for_administrators(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    missing = world.get(f"/traces/{new_id()}", "bob")
    assert world.get(f"/traces/{answer['trace_id']}", "bob").content == missing.content
    admin = world.get(f"/traces/{answer['trace_id']}", None, "admin")
    assert admin.status_code == 200 and "20 weeks" not in admin.text and "parental" not in admin.text


def test_a_forbidden_document_and_a_missing_one_are_the_same_response(world: World) -> None:
    leave = world.search("alice", QUESTION)[0]["document_id"]
    assert world.get(f"/documents/{leave}", "alice").json()["title"] == "Parental leave"
    for tail in ("", "/text", "/text?start=0&end=5", "/text?version=1", "/text?version=7"):
        forbidden, missing = (
            world.get(f"/documents/{leave}{tail}", "bob"),
            world.get(f"/documents/{new_id()}{tail}", "bob"),
        )
        assert (forbidden.status_code, forbidden.content, forbidden.headers) == (404, missing.content, missing.headers)


def test_an_impossible_id_is_missing(empty: World) -> None:
    for impossible in ("%00", "a%00b", "x" * 200, "%F0%9F%92%A9", "..%2F..", "%ED%A0%80", "%E2%80%8B"):
        for path in ("/documents/{}", "/documents/{}/text", "/answers/{}", "/traces/{}", "/conversations/{}"):
            response = empty.get(path.format(impossible), "bob")
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), (path, impossible)


def test_a_part_of_a_text_is_clipped_and_a_span_that_runs_backwards_refused(world: World) -> None:
    travel = world.search("bob", "hotel costs")[0]["document_id"]
    whole = world.get(f"/documents/{travel}/text", "bob").json()
    assert whole["span"] == {"start": 0, "end": whole["length"]} and len(whole["text"]) == whole["length"]
    part = world.get(f"/documents/{travel}/text?start=10&end=1000000", "bob").json()
    assert part["text"] == whole["text"][10:]
    assert world.get(f"/documents/{travel}/text?start=999999", "bob").json()["text"] == ""
    backwards = world.get(f"/documents/{travel}/text?start=5&end=2", "bob")
    assert (backwards.status_code, backwards.json()["field"]) == (422, "end")
    assert world.get(f"/documents/{travel}/text?start=-1", "bob").json()["field"] == "start"
    assert world.get(f"/documents/{travel}/text?version=2", "bob").status_code == 404


def test_feedback_is_the_askers_and_the_last_word_counts(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    path = f"/answers/{answer['answer_id']}/feedback"
    assert world.post(path, "alice", helpful=True, comment="thanks\u202e").status_code == 204
    assert world.post(path, "alice", helpful=False).status_code == 204
    assert world.post(path, "bob", helpful=True).status_code == 404
    assert world.post(path, "alice", helpful=True, stars=5).json()["code"] == "unknown_field"


def test_explain_is_for_administrators(world: World) -> None:
    leave = world.search("alice", QUESTION)[0]["document_id"]
    path = f"/access/explain?user=user:alice&document={leave}"
    assert world.get(path, "alice").json()["code"] == "forbidden"
    explained = world.get(path, None, "admin").json()
    assert explained["decision"] == "allowed"
    assert explained["clauses"][0]["allowed_by"] == {"group:hr": ["user:alice", "group:hr"]}
    assert world.get(f"/access/explain?user=user:bob&document={leave}", None, "admin").json()["decision"] == "denied"
    assert world.get(f"/access/explain?user=bob&document={leave}", None, "admin").json()["field"] == "user"
    assert world.get(f"/access/explain?user=user:bob&document={new_id()}", None, "admin").status_code == 404
