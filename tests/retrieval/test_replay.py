"""The proof that is kept with an answer, replayed: then and now, and what is said when somebody changed the record."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from acl import directory
from acl.proof import digest
from ingestion.delete import delete_documents
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.core.types import Json

QUESTION = "How many weeks of paid parental leave may every parent take?"


@pytest.fixture
def answer(world: World) -> Json:
    found = world.ask("alice", QUESTION)
    assert found["kind"] == "answer"
    return found


def _replay(world: World, answer: Json) -> Json:
    response = world.get(f"/answers/{answer['answer_id']}/replay", None, "admin")
    assert response.status_code == 200, response.text
    found: Json = response.json()
    assert QUESTION not in response.text and answer["text"] not in response.text
    assert answer["citations"][0]["quote"] not in response.text
    return found


def _sql(world: World, statement: str, **values: object) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # past what refuses to be changed
        session.execute(sa.text(statement), values)


def test_an_answer_keeps_what_decided_about_it(world: World, answer: Json) -> None:
    with world.catalog.reading(TENANT) as session:
        row = session.execute(
            sa.text("SELECT epoch, principals_hash, generation, proof FROM answer WHERE id = :id"),
            {"id": answer["answer_id"]},
        ).one()
        newest = session.execute(sa.text("SELECT authz_epoch FROM tenant WHERE id = :t"), {"t": TENANT}).scalar()
    proof = row.proof
    assert proof["epoch"] == row.epoch == newest
    assert (proof["principals_hash"], proof["generation"]) == (row.principals_hash, "g1")
    (document,) = proof["documents"]
    (citation,) = answer["citations"]
    assert (document["document_id"], document["version"]) == (citation["document_id"], citation["version"])
    assert document["cited"] == [{"n": 1, **citation["span"]}]
    assert set(document) == {
        "document_id", "version", "acl_id", "acl_read_at", "acl_max_age_s", "memberships_max_age_s", "cited",
    }  # fmt: skip


def test_allowed_then_and_now_with_the_path(world: World, answer: Json) -> None:
    found = _replay(world, answer)
    assert (found["then"], found["now"], found["reasons"]) == ("allowed", "allowed", [])
    assert found["recomputed_hash"] == found["principals_hash"]
    (document,) = found["documents"]
    (clause,) = document["then"]["clauses"]
    assert clause["allowed_by"] == {"group:hr": ["user:alice", "group:hr"]}
    assert document["cited"] == [{"n": 1, **answer["citations"][0]["span"]}]


def test_what_is_revoked_later_was_allowed_then(world: World, answer: Json) -> None:
    world.member("hr", remove=["user:alice"])
    found = _replay(world, answer)
    assert (found["then"], found["now"]) == ("allowed", "denied")
    assert found["documents"][0]["now"]["reasons"] == ["clause 0 allows only group:hr, and the user is none of them"]


def test_a_document_and_a_user_that_are_gone_are_replayed_still(world: World, answer: Json) -> None:
    with world.catalog.transaction(TENANT) as session:
        delete_documents(session, TENANT, "docs", None, "test")
    found = _replay(world, answer)
    assert (found["then"], found["now"]) == ("allowed", "denied")
    assert "the document is deleted" in found["documents"][0]["now"]["reasons"]
    assert found["documents"][0]["cited"] == [{"n": 1, **answer["citations"][0]["span"]}]
    with world.catalog.transaction(TENANT) as session:
        directory.delete_user(session, TENANT, "user:alice", actor="test")
    _sql(world, "DELETE FROM source WHERE id = 'docs'")
    found = _replay(world, answer)
    assert (found["then"], found["now"]) == ("allowed", "denied")
    assert found["reasons_now"] == ["the user is not in the directory"]
    assert found["documents"][0]["now"]["reasons"] == ["the document is gone, with its source"]


def test_an_abstention_was_made_of_nothing(world: World) -> None:
    found = _replay_abstention(world)
    assert (found["kind"], found["then"], found["now"], found["documents"]) == ("abstention", "allowed", "allowed", [])


def _replay_abstention(world: World) -> Json:
    abstained = world.ask("bob", QUESTION)
    assert abstained["kind"] == "abstention"
    found: Json = world.get(f"/answers/{abstained['answer_id']}/replay", None, "admin").json()
    return found


TAMPERED = {
    "a membership taken out": (
        "DELETE FROM membership_change WHERE member = 'user:alice' AND group_id = 'group:hr'",
        "the principals that history gives",
    ),
    "a membership put in": (
        "INSERT INTO membership_change VALUES ('acme', 'group:board', 'user:alice', 2, true)",
        "the principals that history gives",
    ),
    "the user never active": ("UPDATE user_change SET active = false", "by history the user had no access then"),
    "other access rules by then": (
        "UPDATE document_change SET acl_id = (SELECT acl_id FROM document WHERE title = 'Travel')",
        "other access rules",
    ),
    "the rules themselves": ("UPDATE clause SET allow = ARRAY['authenticated']", "not those that their hash names"),
    "the publication": ("UPDATE document_version SET published_at = now() + interval '1 day'", "was published then"),
    "the proof": (
        "UPDATE answer SET proof = jsonb_set(proof, '{documents,0,version}', '7')",
        "not the one that the audit log has",
    ),
    "the proof, beyond reading": ("UPDATE answer SET proof = '{}'", "no readable proof"),
    "the answer's epoch": ("UPDATE answer SET epoch = epoch - 1", "another epoch than its proof"),
    "the answer's principals": ("UPDATE answer SET principals_hash = 'x'", "the principals that history gives"),
    "a citation": ("UPDATE citation SET span_start = 0", "cites what its proof does not speak of"),
    "the audit log": ("DELETE FROM audit_entry WHERE action = 'ask'", "the audit log has no entry"),
    "an epoch to come": ("UPDATE tenant SET history_from = authz_epoch + 1", "history covers the epochs"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_changed_record_proves_nothing_and_says_so(world: World, answer: Json, what: str) -> None:
    statement, said = TAMPERED[what]
    _sql(world, statement)
    found = _replay(world, answer)
    assert found["then"] == "unprovable"
    assert said in json.dumps([found["reasons"], [one["then"]["reasons"] for one in found["documents"]]])


def test_rules_that_did_not_permit_are_told(world: World, answer: Json) -> None:
    """A gate that failed would be found afterwards: the record agrees with itself, and the rules say no."""
    _sql(world, "UPDATE source SET acl_max_age_s = 60, kind = 'filesystem', acl_read_at = now() - interval '1 hour'")
    _sql(
        world,
        "UPDATE answer SET proof = jsonb_set(jsonb_set(proof, '{documents,0,acl_max_age_s}', '60'),"
        " '{documents,0,acl_read_at}', '\"2020-01-01T00:00:00Z\"')",
    )
    with world.catalog.reading(TENANT) as session:
        proof = session.execute(sa.text("SELECT proof FROM answer")).scalar_one()
    _sql(
        world,
        "UPDATE audit_entry SET detail = jsonb_set(detail, '{proof}', to_jsonb(CAST(:d AS text)))",
        d=digest(proof),
    )
    found = _replay(world, answer)
    assert found["then"] == "denied"
    assert "the access rules were read 2020-01-01T00:00:00Z" in found["documents"][0]["then"]["reasons"][0]


def test_only_administrators_replay(world: World, answer: Json) -> None:
    path = f"/answers/{answer['answer_id']}/replay"
    assert world.get(path, "alice").status_code == 403
    assert world.get("/answers/0199c0df-1b3c-7a5d-8e2f-3c4b5a697887/replay", None, "admin").status_code == 404
