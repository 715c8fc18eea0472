"""Searching with phrases, exclusions and filters: what comes back, that pages are full, and how things are counted."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
import sqlalchemy as sa

from retrieval.depth import SHALLOWEST, Depth
from retrieval.folding import fold
from retrieval.search import Found
from retrieval.sieve import Sieve
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Document, DocumentVersion
from vouch.core import clock
from vouch.core.types import IndexHit, IndexHits, Json


def titles(hits: list[Json]) -> list[str]:
    return [hit["title"] for hit in hits]


def of_type(world: World, document_id: str, mime: str, language: str = "en") -> None:
    """As its content was found to be."""
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.get_one(Document, (TENANT, document_id)).mime = mime
        version = session.get_one(DocumentVersion, (TENANT, document_id, 1))
        version.meta = {**version.meta, "mime": mime, "language": language}


@pytest.fixture
def shelf(empty: World) -> World:
    """Rules of three years, in two sources, of two owners and types; one of them for the group hr alone."""
    empty.source("wiki-1")
    with empty.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET name = 'Team Wiki' WHERE id = 'wiki-1'"))
    rules = [
        ("Leave 2023", "Paid parental leave lasts 16 weeks. Draft of the people team.", "docs", "user:bob", 2023),
        ("Leave 2024", "Leave that is paid: parental, 18 weeks.", "docs", "user:alice", 2024),
        ("Leave 2025", "PARENTAL\n  léave lasts 20 weeks for everyone.", "wiki-1", "user:bob", 2025),
        ("Hotels", "Hotel costs are paid up to 140 euros per night.", "wiki-1", None, 2025),
        ("Undated", "The kitchen is shared, and parental leave is not.", "docs", None, None),
    ]
    for title, text, source, owner, year in rules:
        modified = datetime(year, 6, 1, tzinfo=UTC) if year else None
        id_ = empty.document(title, text, source=source, owner=owner, modified_at=modified, project=False)
        of_type(empty, id_, "application/pdf" if source == "docs" else "text/markdown", "de" if owner is None else "en")
    secret = empty.document(
        "Secret leave", "Parental leave of the board lasts 52 weeks.", allow=("group:hr",), project=False,
        owner="user:bob", modified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    of_type(empty, secret, "application/pdf")
    empty.projector.catch_up()
    return empty


def found(world: World, query: str, user: str = "bob", **body: object) -> set[str]:
    return set(titles(world.search(user, query, limit=20, **body)))


# --- what comes back ---------------------------------------------------------------------------------------------


def test_a_phrase_stands_in_every_hit_of_every_mode(shelf: World) -> None:
    for mode, rerank in product(("hybrid", "dense", "lexical"), (True, False)):
        more = {"mode": mode, "rerank": rerank}
        assert found(shelf, '"parental leave"', **more) == {"Leave 2023", "Leave 2025", "Undated"}
        assert found(shelf, '"parental leave" "20 weeks"', **more) == {"Leave 2025"}
        assert found(shelf, "„Parental Leave“ how many weeks", **more) == {"Leave 2023", "Leave 2025", "Undated"}
        assert found(shelf, '"leave parental"', **more) == set()


def test_what_is_left_out_stands_in_none(shelf: World) -> None:
    everything = {"Leave 2023", "Leave 2024", "Leave 2025", "Hotels", "Undated"}
    assert found(shelf, "leave") == everything
    assert found(shelf, "leave -draft") == everything - {"Leave 2023"}
    assert found(shelf, "leave -weeks") == {"Hotels", "Undated"}
    assert found(shelf, "leave -week") == everything  # the word itself, not its stem
    assert found(shelf, 'leave -"parental leave"') == {"Leave 2024", "Hotels"}
    assert found(shelf, "leave -type:pdf") == {"Leave 2025", "Hotels"}
    assert found(shelf, "leave -owner:bob -lang:DE") == {"Leave 2024"}
    assert found(shelf, 'leave -source:"team wiki"') == {"Leave 2023", "Leave 2024", "Undated"}


def test_filters_by_name_type_owner_and_date(shelf: World) -> None:
    assert found(shelf, "leave source:wiki-1") == found(shelf, 'leave source:"TEAM wiki"') == {"Leave 2025", "Hotels"}
    assert found(shelf, "leave type:pdf") == {"Leave 2023", "Leave 2024", "Undated"}
    assert found(shelf, "leave type:md type:application/pdf lang:en") == {"Leave 2023", "Leave 2024", "Leave 2025"}
    assert found(shelf, "leave owner:bob") == found(shelf, "leave owner:user:bob") == {"Leave 2023", "Leave 2025"}
    assert found(shelf, "leave owner:me") == {"Leave 2023", "Leave 2025"}
    assert found(shelf, "leave owner:ALICE", "dave") == {"Leave 2024"}  # by the name in the directory
    assert found(shelf, "leave after:2024 before:2025") == {"Leave 2024"}
    assert found(shelf, "leave after:2024-06-01 before:2025-06-01") == {"Leave 2024"}
    assert found(shelf, "leave before:2024") == {"Leave 2023", "Undated"}
    with clock.frozen(datetime(2025, 6, 11, tzinfo=UTC)):
        assert found(shelf, "leave after:2w") == {"Leave 2025", "Hotels"}


def test_the_requests_filter_and_the_querys_both_hold(shelf: World) -> None:
    assert found(shelf, "leave owner:bob", filter={"source": ["docs"]}) == {"Leave 2023"}
    assert found(shelf, "leave source:docs", filter={"source": ["wiki-1"]}) == set()
    assert found(shelf, "leave after:2024", filter={"modified_after": "2025-01-01T00:00:00Z"}) == {
        "Leave 2025",
        "Hotels",
    }


def test_a_name_that_nobody_has_and_one_of_what_is_hidden_look_the_same(shelf: World) -> None:
    shelf.source("vault-7", priority="normal")
    shelf.document("In the vault", "Parental leave of spies.", source="vault-7", allow=("group:hr",), owner="user:dave")
    for one, other in (("source:vault-7", "source:nowhere"), ("owner:dave", "owner:nobody")):
        hidden = shelf.post("/search", "bob", query=f"leave {one}", facets=["source"])
        unknown = shelf.post("/search", "bob", query=f"leave {other}", facets=["source"])
        assert hidden.status_code == unknown.status_code == 200
        assert {**hidden.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}
    assert found(shelf, "leave source:vault-7", "alice") == {"In the vault"}


def test_plain_text_asks_for_no_phrase(shelf: World) -> None:
    assert "Leave 2024" in found(shelf, '"leave parental" -draft', syntax="plain")


def test_pages_are_full_however_many_passages_are_sifted_out(empty: World) -> None:
    """The ones without the phrase come first by rank, more than are asked of the index at once."""
    for n in range(8):
        words = "\n\n".join(f"Travel travel desk desk number {n}-{k}." for k in range(SHALLOWEST // 4))
        empty.document(f"Noise {n}", words, project=False)
    for n in range(6):
        empty.document(
            f"Rare {n}",
            f"In room {n} there is, among other furniture of ours, a travel desk to book with. " * 2,
            project=n == 5,
        )
    hits = empty.search("bob", 'travel desk "a travel desk to"', limit=6, rerank=False)
    assert sorted(titles(hits)) == [f"Rare {n}" for n in range(6)]
    hits = empty.search("bob", "travel desk -number", limit=6, rerank=False)
    assert sorted(titles(hits)) == [f"Rare {n}" for n in range(6)]
    assert min(hit["scores"]["fused"] for hit in hits) >= 2 / 16  # ranked as though nothing else had been found


def test_it_is_looked_deeper_only_while_there_may_be_more() -> None:
    def arm(size: int) -> tuple[IndexHit, ...]:
        return tuple(IndexHit(f"d{n}", 1, 0, 1.0) for n in range(size))

    def found(dense: int, lexical: int, depth: int) -> Found:
        return Found(IndexHits(arm(dense), arm(lexical), {}), depth)

    plain, sifted = Depth(10, Sieve()), Depth(10, Sieve(("a b",)))
    assert not plain.deepen(found(60, 60, 60), (), False) and not plain.deepen(found(59, 3, 60), (), True)
    assert plain.deepen(found(60, 60, 60), (), True) and plain.asked == 240
    assert sifted.deepen(found(60, 3, 60), (), True) and sifted.asked == 960
    assert sifted.deepen(found(960, 3, 960), (), True) and sifted.asked == 3_840
    assert not sifted.deepen(found(3_840, 3, 3_840), (), True)
    # The lexical arm has every passage with the phrase: what only meaning finds does not have it.
    assert not Depth(10, Sieve(("a b",)), by_words=True).deepen(found(60, 3, 60), (), True)


def test_filters_alone_list_the_newest_first(shelf: World) -> None:
    hits = shelf.search("bob", "type:pdf", limit=20)
    assert titles(hits) == ["Leave 2024", "Leave 2023", "Undated"]
    assert hits[0]["text"].startswith("Leave that is paid") and hits[0]["highlights"] == []
    assert titles(shelf.search("bob", "type:pdf", limit=1)) == ["Leave 2024"]
    assert titles(shelf.search("alice", "type:pdf -draft", limit=20)) == ["Secret leave", "Leave 2024", "Undated"]
    assert titles(shelf.search("bob", "source:wiki-1 -owner:bob")) == ["Hotels"]
    response = shelf.post("/search", "bob", query="type:pdf", limit=1, facets=["owner"]).json()
    assert response["matched"] == {"documents": 3, "exact": True}
    trace = shelf.get(f"/traces/{response['trace_id']}", "bob").json()
    assert trace["asked"]["facets"] == ["owner"] and len(trace["candidates"]) == 1


def test_a_list_goes_down_past_what_is_hidden_and_what_is_left_out(empty: World) -> None:
    for n in range(30):
        allow = ("group:hr",) if n % 2 else ("authenticated",)
        text = "A draft." if n % 3 == 0 else "A rule."
        empty.document(f"{n}", text, allow=allow, modified_at=datetime(2025, 1, 1 + n, tzinfo=UTC), project=False)
    assert titles(empty.search("bob", "after:2024 -draft", limit=4)) == ["28", "26", "22", "20"]


# --- what is asked -----------------------------------------------------------------------------------------------


def test_what_an_answer_cites_holds_the_phrase(shelf: World) -> None:
    shelf.document("Leave in short", "Parents get 22 weeks off when a child is born.")
    answer = shelf.ask("bob", 'For how many weeks does "parental leave" last?')
    assert answer["kind"] == "answer"
    for citation in answer["citations"]:
        text = shelf.get(f"/documents/{citation['document_id']}/text", "bob").json()["text"]
        assert "parental leave" in " ".join(fold(text).split())
    assert shelf.ask("bob", 'How many weeks does "maternal leave" last?')["kind"] == "abstention"
    answer = shelf.ask("bob", "For how many weeks does parental leave last? source:wiki-1")
    assert {citation["title"] for citation in answer["citations"]} == {"Leave 2025"}


def test_what_is_refused_over_http(shelf: World) -> None:
    refused = [
        ("/search", {"query": "leave before:2025-13-01"}, "invalid_input", "query"),
        ("/search", {"query": "-draft"}, "invalid_input", "query"),
        ("/search", {"query": "x", "facets": ["colour"]}, "invalid_input", "facets.0"),
        ("/search", {"mode": "lexical", "like": {"document_id": "x"}}, "invalid_input", "mode"),
        ("/search", {"query": "x", "syntax": "sql"}, "invalid_input", "syntax"),
        ("/search", {}, "question_empty", "query"),
        ("/ask", {"question": "leave after:soon"}, "invalid_input", "question"),
        ("/ask", {"question": "type:pdf"}, "question_empty", "question"),
        ("/ask", {"question": "type:pdf", "stream": True}, "question_empty", "question"),
    ]
    for path, body, code, field in refused:
        said = shelf.post(path, "bob", **body).json()
        assert (said["status"], said["code"], said["field"]) == (422, code, field), (body, said)


# --- counts ------------------------------------------------------------------------------------------------------


def counts(world: World, user: str, query: str, **body: object) -> tuple[Json, Json]:
    facets = ["source", "type", "owner", "language", "year", "freshness"]
    told = world.post("/search", user, query=query, facets=facets, limit=1, **body).json()
    return told["matched"], {
        facet: {(one["name"] or one["value"]): one["documents"] for one in values}
        for facet, values in told["facets"].items()
    }


def test_facets_count_the_documents_that_fit_and_that_the_asker_sees(shelf: World) -> None:
    matched, facets = counts(shelf, "bob", "parental weeks")
    assert matched == {"documents": 4, "exact": True}
    assert facets == {
        "source": {"docs": 3, "Team Wiki": 1},
        "type": {"pdf": 3, "md": 1},
        "owner": {"user:bob": 2, "user:alice": 1},
        "language": {"en": 3, "de": 1},
        "year": {"2023": 1, "2024": 1, "2025": 1},
        "freshness": {"fresh": 4},
    }
    assert counts(shelf, "alice", "parental weeks")[0] == {"documents": 5, "exact": True}
    assert counts(shelf, "bob", '"parental leave"')[0] == {"documents": 3, "exact": True}
    assert counts(shelf, "bob", '"parental leave" -draft type:pdf')[1]["owner"] == {}
    assert counts(shelf, "bob", "parental weeks", filter={"owner": ["user:bob"]})[1]["year"] == {"2023": 1, "2025": 1}
    assert counts(shelf, "bob", "zygote")[0] == {"documents": 0, "exact": True}
    assert shelf.post("/search", "bob", query="leave").json()["facets"] is None


def test_what_gate_two_alone_hides_or_drops_is_not_counted(shelf: World) -> None:
    before = counts(shelf, "bob", "parental weeks")
    late = shelf.document("Late", "Parental leave in weeks.", owner="user:bob")
    assert counts(shelf, "bob", "parental weeks")[0]["documents"] == 5
    shelf.readers(late, ("group:hr",), project=False)  # the index still believes that Bob may read it
    assert counts(shelf, "bob", "parental weeks") == before
    with shelf.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET in_search = '{\"expired\": \"drop\"}' WHERE id = 'docs'"))
        session.execute(sa.text("UPDATE document SET expire_after_s = 1 WHERE title = 'Leave 2023'"))
    assert counts(shelf, "bob", "parental weeks")[0]["documents"] == 3
    assert "Leave 2023" not in titles(shelf.search("bob", "type:pdf"))


def test_a_superseded_document_counts_as_one_where_its_successor_may_be_read(shelf: World) -> None:
    shelf.document(
        "Newer", "Leave of mothers.", supersedes=["Leave 2023"], modified_at=datetime(2025, 1, 1, tzinfo=UTC)
    )
    shelf.document("Newest", "Leave.", supersedes=["Leave 2024"], allow=("group:hr",))
    assert counts(shelf, "bob", "parental weeks")[1]["freshness"] == {"fresh": 3, "superseded": 1}
    assert counts(shelf, "alice", "parental weeks")[1]["freshness"] == {"fresh": 3, "superseded": 2}


def test_where_only_meaning_is_searched_the_passages_looked_at_count(shelf: World) -> None:
    assert counts(shelf, "bob", "parental", mode="dense")[0] == {"documents": 5, "exact": True}


# --- likeness ----------------------------------------------------------------------------------------------------


def test_more_like_a_document_comes_by_its_own_vectors_and_not_itself(world: World) -> None:
    office = world.document("Offices", "Visitors get a badge at the front desk.\n\nThe Berlin office has a kitchen.")
    ids = {hit["title"]: hit["document_id"] for hit in world.search("alice", "office travel leave", limit=40)}
    hits = world.post("/search", "bob", like={"document_id": ids["Office"]}).json()["hits"]
    assert titles(hits) == ["Offices", "Travel"]  # each document once, and none that is hidden
    assert hits[0]["scores"]["lexical"] is None and hits[0]["scores"]["rerank"] is None
    narrowed = world.post("/search", "bob", query="-kitchen", like={"document_id": ids["Office"]}).json()["hits"]
    assert "kitchen" not in narrowed[0]["text"]
    worded = world.post("/search", "bob", query="hotel costs", like={"document_id": office}, limit=1).json()["hits"]
    assert worded[0]["scores"]["lexical"] is not None or worded[0]["title"] == "Office"
    assert (
        titles(world.post("/search", "alice", like={"document_id": ids["Office"]}, mode="dense").json()["hits"])[0]
        == "Offices"
    )


def test_to_be_like_what_is_hidden_is_to_be_like_what_is_not_there(world: World) -> None:
    leave = world.search("alice", "parental leave")[0]["document_id"]
    assert world.post("/search", "alice", like={"document_id": leave}).status_code == 200
    hidden = world.post("/search", "bob", like={"document_id": leave})
    missing = world.post("/search", "bob", like={"document_id": "no-such-document"})
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json() == missing.json() and hidden.headers.keys() == missing.headers.keys()
