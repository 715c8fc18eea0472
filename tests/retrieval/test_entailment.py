"""The last check of a claim: who is asked, with what evidence, and what becomes of the judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from retrieval.entailment import beside, entailed, weighed
from retrieval.pack import pack
from retrieval.texts import Texts
from retrieval.types import (
    SOMEWHERE,
    Claim,
    Draft,
    DraftClaim,
    Evidence,
    Freshness,
    Hit,
    Passage,
    Quote,
    Rejection,
    Scores,
)
from retrieval.verify import verify
from vouch.catalog.blobs import Blobs
from vouch.core.types import Span
from vouch.gateway.entail import Judged, Stated

FRESH = Freshness("fresh", datetime(2026, 1, 1, tzinfo=UTC), None)
TEXT = "Leave is for all. Parents may take 20 weeks of paid leave. They tell HR a month before. Lunch is at noon."
QUOTE = "Parents may take 20 weeks of paid leave."


class Scripted:
    """Supports each claim as it is told, and keeps what it is asked."""

    name, threshold, floor = "scripted@1", 0.6, 0.2
    let_through: Mapping[float, tuple[float, float]] = MappingProxyType({})

    def __init__(self, **support: float) -> None:
        self.support, self.asked = support, list[Stated]()

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        self.asked += pairs
        found = [next(s for word, s in self.support.items() if word in pair.claim) for pair in pairs]
        return [Judged(s, 0.0, 1 - s) for s in found]


def passage(text: str = TEXT, at: int = 0) -> Passage:
    return Passage(1, "d", "d", 1, "T", "", Span(at, at + len(text)), text, (), (), 1.0, None, FRESH)


def evidence(quote: str, whole: Passage) -> Evidence:
    at = whole.span.start + whole.text.index(quote)
    return Evidence(whole, Span(at, at + len(quote)), quote)


def claim(text: str, *quotes: str) -> Claim:
    return Claim(text, tuple(evidence(quote, passage()) for quote in quotes or (QUOTE,)), "supported", 0.9)


def test_a_claim_is_refused_below_the_floor() -> None:
    entailer = Scripted(sure=0.9, hardly=0.2, never=0.19)
    claims = [claim(f"It is {word} so.") for word in ("sure", "hardly", "never")]
    assert list(weighed(entailer, claims)) == [*claims[:2], Rejection("It is never so.", None, "not_entailed")]


def test_what_rules_doubt_stays_doubted() -> None:
    doubted = Claim("It is sure so.", (evidence(QUOTE, passage()),), "partial", 0.5)
    assert list(weighed(Scripted(sure=0.99), [doubted])) == [doubted]


def test_nobody_is_asked_about_a_quote() -> None:
    entailer = Scripted(Parents=0.0)
    verbatim = claim(QUOTE)
    assert list(weighed(entailer, [verbatim])) == [verbatim]
    assert entailer.asked == []


def test_all_claims_are_judged_at_once_each_beside_its_own_quotes() -> None:
    entailer = Scripted(leave=1.0, lunch=1.0)
    list(weighed(entailer, [claim("On leave."), claim(QUOTE), claim("At lunch.", "Lunch is at noon.")]))
    assert [pair.claim for pair in entailer.asked] == ["On leave.", "At lunch."]
    assert all(quote in pair.evidence for pair, quote in zip(entailer.asked, (QUOTE, "Lunch is at noon."), strict=True))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (1, QUOTE),
        (11, QUOTE),
        (12, f"Leave is for all. {QUOTE}"),
        (18, f"Leave is for all. {QUOTE} They tell HR a month before."),
        (99, TEXT),
    ],
)
def test_sentences_around_a_quote_come_as_there_is_room(words: int, expected: str) -> None:
    assert beside([evidence(QUOTE, passage(at=70))], words) == expected


def test_a_quote_of_half_a_sentence_comes_with_all_of_it() -> None:
    assert beside([evidence("20 weeks", passage())], 2) == QUOTE


def test_several_quotes_share_the_room() -> None:
    both = [evidence(QUOTE, passage()), evidence("Lunch is at noon.", passage())]
    assert beside(both, 12) == f"{QUOTE} Lunch is at noon."
    assert beside(both, 20) == f"Leave is for all. {QUOTE} Lunch is at noon."


def verified(folder: Path, entailer: Scripted | None, *drafted: DraftClaim) -> tuple[list[str], list[str]]:
    blobs = Blobs(str(folder))
    hit = Hit(
        document_id="d", external_id="d", version=1, ordinal=0, source_id="s", title="T", uri="", mime="",
        span=Span(0, len(TEXT)), text=TEXT, text_digest=blobs.put("t", TEXT.encode()), place="", places=(),
        heading_path=(), scores=Scores(fused=1.0), score=1.0, freshness=FRESH,
    )  # fmt: skip
    texts = Texts(blobs, "t")
    found = entailed(entailer, verify(texts, Draft(drafted, 1.0, "w"), pack(texts, [hit], 8)))
    return [one.text for one in found.claims], [one.reason for one in found.rejected]


def drafted(text: str, quote: str = QUOTE) -> DraftClaim:
    return DraftClaim(text, (Quote(1, SOMEWHERE, quote),), 1.0)


def test_rules_come_first_and_what_they_refuse_is_not_asked_about(tmp_path: Path) -> None:
    entailer = Scripted(take=1.0)
    claims = [
        drafted("Parents take 30 weeks of paid leave."),
        drafted("Parents take 20 weeks of leave.", "Parents may take 20  weeks"),
        drafted("Submarines surface in spring."),
    ]
    kept, refused = verified(tmp_path, entailer, *claims)
    assert (kept, refused) == ([], ["unsupported", "altered_quote", "unsupported"])
    assert entailer.asked == []


def test_what_rules_let_through_is_judged_last(tmp_path: Path) -> None:
    claims = [drafted(QUOTE), drafted("Parents take 20 weeks of leave."), drafted("Leave of 20 weeks takes parents.")]
    assert verified(tmp_path, None, *claims)[1] == []
    kept, refused = verified(tmp_path, Scripted(Parents=0.9, takes=0.1), *claims)
    assert kept == [QUOTE, "Parents take 20 weeks of leave."]
    assert refused == ["not_entailed"]
