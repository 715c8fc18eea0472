"""Stages that need no company: guards, fusion, terms, rewriting, packing, verification."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fuse import FLOOR, WORDS, fuse
from retrieval.guard import clean, guard_output, inert
from retrieval.pack import Packed, pack
from retrieval.particulars import strays
from retrieval.rewrite import rewrite
from retrieval.split import split
from retrieval.terms import key_terms, numbers
from retrieval.texts import Texts
from retrieval.types import (
    SOMEWHERE,
    Claim,
    Draft,
    DraftClaim,
    Evidence,
    Freshness,
    Hit,
    Question,
    Quote,
    Scores,
    Verified,
)
from retrieval.verify import judge, verify
from vouch.catalog.blobs import Blobs
from vouch.core.types import IndexHit, IndexHits, Span

FRESH = Freshness("fresh", None, None)


# --- guard ---------------------------------------------------------------------------------------


@given(st.text())
def test_cleaning_twice_is_cleaning_once_and_leaves_nothing_unseen(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not set(once) & set("\u202a\u202b\u202d\u202e\u2066\u2069\u200b\u200d\ufeff\x00\x1b\x7f")
    once.encode()


@pytest.mark.parametrize(
    ("prose", "plain"),
    [
        ("Leave is **20 weeks**.", "Leave is 20 weeks."),
        ("See [the policy](https://evil.example/?q=secret).", "See the policy."),
        ("![x](https://evil.example/pixel.png) Leave is 20 weeks.", "x Leave is 20 weeks."),
        ("<img src=x onerror=alert(1)>Leave <b>is</b> 20 weeks.", "Leave is 20 weeks."),
        ("Leave is 20 weeks [1][7].", "Leave is 20 weeks."),
        ("Go to https://evil.example/a now.", "Go to now."),
        ("Go to https://intranet.example/leave now.", "Go to https://intranet.example/leave now."),
        ("javascript:alert(1)", ""),
        ("Le\u202eave\u200b is\x07 20 weeks.", "Leave is 20 weeks."),
    ],
)
def test_prose_is_made_inert(prose: str, plain: str) -> None:
    assert inert(prose, ["Requests: https://intranet.example/leave"]) == plain


def test_a_verbatim_claim_is_never_touched_and_an_emptied_one_is_refused(tmp_path: Path) -> None:
    passage = packed_of(tmp_path, "Use `rm` [see](http://x)!").passages[0]
    evidence = (Evidence(passage, passage.span, passage.text),)
    claims = tuple(Claim(text, evidence, "supported", 1.0) for text in (passage.text, "http://evil.example/x"))
    guarded = guard_output(Verified(claims, ()))
    assert [claim.text for claim in guarded.claims] == [passage.text]
    assert [rejection.reason for rejection in guarded.rejected] == ["unsupported"]


# --- fuse ----------------------------------------------------------------------------------------


def ranking(*documents: str) -> tuple[IndexHit, ...]:
    return tuple(IndexHit(document, 1, 0, 1.0 / n) for n, document in enumerate(documents, 1))


def test_scores_are_scaled_and_summed_over_the_arms() -> None:
    fused = fuse(IndexHits(ranking("a", "b"), ranking("b", "c"), {}))
    assert [candidate.document_id for candidate in fused] == ["b", "a", "c"]
    assert fused[0].scores == Scores(0.5, 1.0, (1 - WORDS) * 0.5 + WORDS)
    assert fused[1].scores == Scores(1.0, None, 1 - WORDS)
    assert fused[2].scores == Scores(None, 0.5, WORDS * 0.5)


def test_what_everything_is_as_near_as_counts_for_nothing_and_keeps_its_order() -> None:
    dense = tuple(IndexHit(f"{n:03}", 1, 0, 0.9 - n / 1000) for n in range(FLOOR + 5))
    fused = fuse(IndexHits(dense, (), {}))
    assert [candidate.document_id for candidate in fused] == [hit.document_id for hit in dense]
    assert fused[0].scores.fused == 1 - WORDS
    assert all(candidate.scores.fused == 0 for candidate in fused[FLOOR - 1 :])
    deeper = fuse(IndexHits((*dense, IndexHit("deep", 1, 0, 0.1)), (), {}))
    assert deeper[: len(fused)] == fused


def test_scores_that_are_all_nothing_are_no_fault() -> None:
    fused = fuse(IndexHits((IndexHit("a", 1, 0, -0.5),), (), {}))
    assert [candidate.scores.fused for candidate in fused] == [0.0]


DOCUMENTS = [f"{n:03}" for n in range(FLOOR + 10)]


@given(st.permutations(DOCUMENTS), st.permutations(DOCUMENTS), st.sets(st.sampled_from(DOCUMENTS)))
def test_what_is_left_out_might_as_well_not_have_been_found(
    dense: list[str], lexical: list[str], hidden: set[str]
) -> None:
    arms = ranking(*dense), ranking(*lexical)
    left_out = fuse(IndexHits(*arms, {}), without=hidden)
    never = fuse(IndexHits(*(tuple(hit for hit in arm if hit.document_id not in hidden) for arm in arms), {}))
    assert [(c.key, c.scores.fused) for c in left_out] == [(c.key, c.scores.fused) for c in never]


# --- terms, rewrite ------------------------------------------------------------------------------


def test_terms_and_numbers() -> None:
    assert key_terms("How many weeks of leave may the leaves take?") == ("weeks", "leave")
    assert numbers("1,200.50 and twenty, 007; 12% of $3.00") == {"1200.5", "20", "7", "12", "3"}
    assert numbers("version v2 of x3") == set()


@pytest.mark.parametrize(
    "text", ["And in Berlin?", "How long does it last for adopted children in Germany?", "Who approves?"]
)
def test_a_question_that_points_back_carries_what_it_does_not_say(text: str) -> None:
    found = rewrite(Question(text, 8), "parental leave policy")
    assert found.query == f"{text} parental leave policy" and found.rule == "follow_up"


@pytest.mark.parametrize(
    ("text", "previous"),
    [
        ("And in Berlin?", None),
        ("Which hotels near the Lisbon airport offer breakfast?", "parental leave policy"),
        ("Parental leave policy?", "parental leave policy"),
    ],
)
def test_a_question_that_stands_alone_is_left_alone(text: str, previous: str | None) -> None:
    assert rewrite(Question(text, 8), previous).query == text


# --- pack ----------------------------------------------------------------------------------------


def hit(blobs: Blobs, whole: str, span: Span, ordinal: int, document: str = "d", freshness: Freshness = FRESH) -> Hit:
    return Hit(
        document_id=document, external_id=document, version=1, ordinal=ordinal, source_id="s", title="T", uri="",
        mime="", span=span, text=span.of(whole), text_digest=blobs.put("t", whole.encode()), place="", places=(),
        heading_path=(),        scores=Scores(fused=1.0), score=1.0 / (ordinal + 1), freshness=freshness,
    )  # fmt: skip


def packed_of(folder: Path, text: str) -> Packed:
    blobs = Blobs(str(folder))
    return pack(Texts(blobs, "t"), [hit(blobs, text, Span(0, len(text)), 0)], 8)


def test_neighbours_are_joined_and_repeats_dropped(tmp_path: Path) -> None:
    blobs, whole = Blobs(str(tmp_path)), "One.\n\nTwo.\n\nThree."
    one, two, three = (hit(blobs, whole, Span(a, b), n) for n, (a, b) in enumerate([(0, 4), (6, 10), (12, 18)]))
    again = hit(blobs, "one.", Span(0, 4), 0, "e")
    packed = pack(Texts(blobs, "t"), [two, three, again, one], 8)
    assert [(p.n, p.text, p.document_id) for p in packed.passages] == [(1, "Two.\n\nThree.", "d"), (2, "one.", "e")]
    assert [p.text for p in pack(Texts(blobs, "t"), [two, one, three], 8).passages] == [whole]
    assert [p.text for p in pack(Texts(blobs, "t"), [three, one], 8).passages] == ["Three.", "One."]


def test_the_size_holds_and_a_text_that_cannot_be_read_is_no_evidence(tmp_path: Path) -> None:
    blobs, whole = Blobs(str(tmp_path)), "One.\n\nTwo.\n\nThree."
    hits = [hit(blobs, whole, Span(0, 4), n, document) for n, document in enumerate("abc")]
    assert len(pack(Texts(blobs, "t"), hits, 2).passages) == 1  # the same words once
    blobs.delete("t", hits[0].text_digest)
    assert pack(Texts(blobs, "t"), hits, 2).passages == ()


def test_the_superseded_give_way_only_to_a_successor_among_the_hits(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    old = hit(blobs, "Old.", Span(0, 4), 0, "old", Freshness("superseded", None, None, "new"))
    new = hit(blobs, "New.", Span(0, 4), 0, "new")
    texts = Texts(blobs, "t")
    assert [p.text for p in pack(texts, [old, new], 8).passages] == ["New."]
    assert pack(texts, [old, new], 8).withheld == {"old"}
    assert [p.text for p in pack(texts, [old, new], 8, outdated=True).passages] == ["Old.", "New."]
    assert [p.text for p in pack(texts, [old], 8).passages] == ["Old."]


def test_what_says_the_same_in_other_shape_is_packed_once_and_other_figures_are_kept(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    said = "Hotel costs in capitals are reimbursed up to 140 euros per night for all staff on trips."
    texts = [
        said,
        said.replace("for all", "for  All") + "!",
        said.replace("140", "150"),
        "\u65c5\u8d39\u89c4\u5b9a",
        "\u4f11\u5047\u89c4\u5b9a",
    ]
    hits = [hit(blobs, text, Span(0, len(text)), 0, str(n)) for n, text in enumerate(texts)]
    assert [p.document_id for p in pack(Texts(blobs, "t"), hits, 8).passages] == ["0", "2", "3", "4"]


def test_what_stands_around_a_hit_joins_it_and_takes_no_hits_place(tmp_path: Path) -> None:
    blobs, whole = Blobs(str(tmp_path)), "One.\n\nTwo.\n\nThree."
    one, two, three = (hit(blobs, whole, Span(a, b), n) for n, (a, b) in enumerate([(0, 4), (6, 10), (12, 18)]))
    other = hit(blobs, "Else.", Span(0, 5), 0, "e")
    packed = pack(Texts(blobs, "t"), [two, other], 2, {two.key: (one, three)})
    assert [p.text for p in packed.passages] == [whole, "Else."]


# --- split ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "How many days of leave do I get and how do I request it?",
            ["How many days of leave do I get", "how do I request it days leave"],
        ),
        ("What is the hotel limit? And who approves trains?", ["What is the hotel limit", "who approves trains"]),
        (
            "Who leads the HR desk and what is the phone number?",
            ["Who leads the HR desk", "what is the phone number leads HR desk"],
        ),
        ("Which form and which office do I need?", []),
        ("What is the difference between sick leave and holiday?", []),
        ("Where and when did the meeting take place?", []),
        ("What do I do if I am sick and cannot come?", []),
        ("Who led the study on sleep and was criticized by the board?", []),
        ("Is it? Is it? Is it? Is it? Is it?", []),
        ("", []),
    ],
)
def test_a_question_is_taken_apart_where_each_part_is_one(question: str, parts: list[str]) -> None:
    assert [part.query for part in split(question)] == parts


# --- verify --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("Every parent may take 20 weeks of paid leave.", "supported"),
        ("Parents may take twenty weeks of paid leave.", "supported"),
        ("Parents may take 30 weeks of paid leave.", "unsupported"),
        ("Parents may not take 20 weeks of paid leave.", "partial"),
        ("Submarines surface in spring.", "unsupported"),
        ("!!!", "unsupported"),
        ("Every parent may take 20 days of paid leave.", "unsupported"),
        ("Every parent may take 20 weeks of paid leave from March.", "unsupported"),
        ("Every parent may take 20 weeks of paid leave on Mondays.", "unsupported"),
        ("Every parent may take 20 weeks of paid leave at Acme.", "partial"),
        ("Every parent may take 20 weeks of paid leave for $5.", "unsupported"),
    ],
)
def test_lexical_support(claim: str, verdict: str) -> None:
    assert judge(claim, ["Every parent may take 20 weeks of paid leave."])[0] == verdict


@pytest.mark.parametrize(
    ("claim", "quote", "around", "verdict"),
    [
        ("The limit is 140 EUR per night.", "The limit is 140 euros per night.", "", None),
        ("The limit is 140 dollars per night.", "The limit is 140 euros per night.", "", "unsupported"),
        ("The limit is 140 euros per night.", "The limit per night is 140.", "", "partial"),
        ("The limit is 140 euros per night.", "Limit per night in euros: 140", "", None),
        ("It applies from March 2025.", "It applies from 2025-03-01.", "", None),
        ("It applies from April 2025.", "It applies from 2025-03-01.", "", "unsupported"),
        ("The limit at Acme is 140 euros.", "The limit is 140 euros.", "Travel at Acme", None),
        (
            "Die Grenze liegt bei 140 Euro je Nacht.",
            "Die Grenze liegt bei 140 Euro je Nacht im Hotel der Stadt.",
            "",
            None,
        ),
        ("You may leave in May 2025.", "You may leave in May 2025.", "", None),
        ("Staff may leave at 5.", "All staff may leave at 5.", "", None),
    ],
)
def test_particulars_are_the_evidences_own(claim: str, quote: str, around: str, verdict: str | None) -> None:
    assert strays(claim, quote, around) == verdict


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        (Quote(1, SOMEWHERE, "Two is here."), None),
        (Quote(1, Span(5, 17), "Two is here."), None),
        (Quote(9, SOMEWHERE, "Two is here."), "unknown_citation"),
        (Quote(0, SOMEWHERE, "Two is here."), "unknown_citation"),
        (Quote(1, SOMEWHERE, "Two is  here."), "altered_quote"),
        (Quote(1, SOMEWHERE, "two is here."), "altered_quote"),
        (Quote(1, SOMEWHERE, " "), "altered_quote"),
        (Quote(1, Span(4, 16), "Two is here."), "altered_quote"),
        (Quote(1, Span(0, 99), "Two is here."), "altered_quote"),
    ],
)
def test_a_quote_holds_character_for_character_or_is_refused(tmp_path: Path, quote: Quote, reason: str | None) -> None:
    packed = packed_of(tmp_path, "One. Two is here.")
    verified = verify(
        Texts(Blobs(str(tmp_path)), "t"), Draft((DraftClaim("Two is here.", (quote,), 1.0),), 1.0, "w"), packed
    )
    assert [rejection.reason for rejection in verified.rejected] == ([reason] if reason else [])
    assert [e.span for claim in verified.claims for e in claim.evidence] == ([] if reason else [Span(5, 17)])
