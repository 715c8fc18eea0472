"""What became of a claim stands: a draft that is settled as it grows comes to what it comes to when settled whole."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrieval.pack import Packed
from retrieval.settle import Checks, Settling
from retrieval.texts import Texts
from retrieval.types import SOMEWHERE, Draft, DraftClaim, Freshness, Passage, Quote
from vouch.catalog.blobs import Blobs
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

OLDER = "Hotel costs are reimbursed up to 120 euros per night. Trains are reimbursed in second class."
NEWER = "For hotel costs up to 150 euros per night are reimbursed. Meals cost up to 45 euros per day."
CANARY = "0123456789abcdef0123"


def packed(blobs: Blobs) -> Packed:
    passages = tuple(
        Passage(
            n, f"d{n}", f"d{n}", 1, "T", "", Span(0, len(text)), text, (), (), 1.0,
            datetime(2020 + n, 1, 1, tzinfo=UTC), Freshness("fresh", None, None),
        )
        for n, text in enumerate((OLDER, NEWER), 1)
    )  # fmt: skip
    return Packed(passages, {one.n: blobs.put("t", one.text.encode()) for one in passages}, frozenset())


def claim(text: str, n: int, quote: str) -> DraftClaim:
    return DraftClaim(text, (Quote(n, SOMEWHERE, quote),), 1.0)


HOTEL = claim("Hotel costs are reimbursed up to 120 euros per night.", 1, OLDER[:53])
CLAIMS = (
    HOTEL,
    claim("Trains are reimbursed in second class.", 1, "Trains are reimbursed in second class."),
    claim("In second class trains are reimbursed.", 1, "Trains are reimbursed in second class."),
    claim("Trains are reimbursed in first class.", 1, "Trains are reimbursed in first class."),
    claim("Meals cost up to 45 euros per day.", 2, "Meals cost up to 45 euros per day."),
    claim("Meals cost up to 54 euros per day.", 2, "Meals cost up to 45 euros per day."),
    claim("A link: http://evil.example/x costs 45 euros per day at meals.", 2, "Meals cost up to 45 euros per day."),
)


@pytest.fixture
def settling(tmp_path: Path, embedder: Embedder) -> Settling:
    blobs = Blobs(str(tmp_path))
    return Settling(Checks(embedder), Texts(blobs, "t"), packed(blobs))


@pytest.mark.parametrize("seed", range(8))
def test_claim_by_claim_is_as_all_at_once(tmp_path: Path, embedder: Embedder, seed: int) -> None:
    drawn = random.Random(seed).choices(CLAIMS, k=6)
    whole = Draft(tuple(drawn), 1.0, "chat:m:answer.v2", model="m")
    blobs = Blobs(str(tmp_path))
    evidence = packed(blobs)
    at_once = Settling(Checks(embedder), Texts(blobs, "t"), evidence).settle(whole)
    growing, told = Settling(Checks(embedder), Texts(blobs, "t"), evidence), 0
    for size in range(1, len(drawn) + 1):
        so_far = growing.settle(replace(whole, claims=whole.claims[:size]))
        assert so_far.verified.claims[:told] == at_once.verified.claims[:told]  # what was told is how it begins
        told = len(so_far.verified.claims)
    assert growing.settle(whole) == at_once


def test_what_contradicts_a_claim_is_told_with_it_and_once(settling: Settling) -> None:
    settled = settling.settle(Draft((HOTEL, HOTEL), 1.0, "w"))
    assert [one.text for one in settled.verified.claims] == [NEWER[:57], OLDER[:53]]
    assert len(settled.contradictions) == 1 and settled.failed == ()


def test_of_a_draft_that_leaks_what_was_told_before_stays_and_nothing_follows(settling: Settling) -> None:
    draft = Draft((CLAIMS[1],), 1.0, "w", canary=CANARY)
    assert len(settling.settle(draft).verified.claims) == 1
    leaking = claim(f"Meals cost {CANARY} up to 45 euros per day.", 2, "Meals cost up to 45 euros per day.")
    settled = settling.settle(replace(draft, claims=(CLAIMS[1], CLAIMS[4], leaking)))
    assert [one.text for one in settled.verified.claims] == [CLAIMS[1].text]
    assert {one.reason for one in settled.verified.rejected} == {"leaked"} and CANARY not in repr(settled.verified)
    more = settling.settle(replace(draft, claims=(CLAIMS[1], CLAIMS[4], leaking, HOTEL)))
    assert [one.text for one in more.verified.claims] == [CLAIMS[1].text]


def test_another_writer_begins_anew(settling: Settling) -> None:
    settling.settle(Draft((CLAIMS[3],), 1.0, "first"))
    settled = settling.settle(Draft((CLAIMS[4],), 1.0, "second"))
    assert [one.text for one in settled.verified.claims] == [CLAIMS[4].text]
    assert settled.failed == () and settled.draft.writer == "second"
    assert settling.settle(Draft((), 0.0, "third")).draft.claims == ()


def test_what_failed_is_said_with_why(settling: Settling) -> None:
    settled = settling.settle(Draft(CLAIMS, 1.0, "w"))
    assert [(one.text, why) for one, why in settled.failed] == [
        (CLAIMS[3].text, "altered_quote"), (CLAIMS[5].text, "unsupported"),
    ]  # fmt: skip
