"""The extractive answerer: verbatim, cited, ordered, and silent when the evidence does not answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retrieval
from retrieval.extract import MOST_SENTENCES, extract
from retrieval.extract_features import MOST_EMBEDDED, SENTENCE_FEATURES, gather
from retrieval.extract_model import VERSION, load, read
from retrieval.types import Draft, Freshness, Passage
from vouch.core.freshness import State
from vouch.core.sentences import sentences
from vouch.core.types import Matrix, Span
from vouch.gateway.embed import Embedder

LEAVE = (
    "Everyone joins the pension scheme on the first day.\n\n"
    "Employees receive 28 days of paid annual leave each calendar year. "
    "Unused leave of up to five days may be carried over until the end of March.\n\n"
    "The canteen serves lunch between noon and two."
)
TRAVEL = (
    "Trains are booked through the travel desk.\n\nThe hotel limit is 140 euros a night. Receipts are kept for a year."
)


def passage(n: int, text: str, *, title: str = "Handbook", at: int = 0, state: State = "fresh") -> Passage:
    """One that stands at ``at`` in its document."""
    span = Span(at, at + len(text))
    return Passage(n, f"d{n}", f"d{n}.md", 1, title, "", span, text, (), (), 1 / n, None, Freshness(state, None, None))


def quoted(draft: Draft) -> list[str]:
    return [quote.text for claim in draft.claims for quote in claim.quotes]


class Counting:
    """Counts what it passes on."""

    def __init__(self, inner: Embedder) -> None:
        self.name, self.dimensions, self.max_tokens = inner.name, inner.dimensions, inner.max_tokens
        self._inner = inner
        self.batches: list[int] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.batches.append(len(texts))
        return self._inner.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)


def test_answers_with_the_sentence_that_answers(embedder: Embedder) -> None:
    shown = (passage(1, TRAVEL, title="Travel"), passage(2, LEAVE, title="Leave"))
    draft = extract("How many days of annual leave do I get?", shown, embedder)
    assert "Employees receive 28 days of paid annual leave each calendar year." in quoted(draft)
    assert not any("hotel" in text for text in quoted(draft))
    assert draft.confidence > load().threshold
    assert draft.missing is None


def test_quotes_stand_in_the_document_where_they_say(embedder: Embedder) -> None:
    document = "Preface of another section.\n\n" + LEAVE
    at = document.index(LEAVE)
    draft = extract("How many days of annual leave do I get?", (passage(1, LEAVE, at=at),), embedder)
    assert draft.claims
    for claim in draft.claims:
        (quote,) = claim.quotes
        assert quote.span is not None and quote.passage == 1
        assert quote.text == quote.span.of(document) == claim.text


def test_abstains_when_nothing_answers_and_names_what_is_missing(embedder: Embedder) -> None:
    draft = extract("What is the wifi password of the Tokyo observatory?", (passage(1, LEAVE),), embedder)
    assert draft.claims == ()
    assert draft.confidence < load().threshold
    assert draft.missing is not None and {"wifi", "Tokyo", "observatory"} <= set(draft.missing.split(", "))


def test_abstains_on_the_right_topic_without_the_answer(embedder: Embedder) -> None:
    text = "The pension scheme has a board of five members.\n\nIts accounts are published in June."
    draft = extract("How much does the company pay into my pension each month?", (passage(1, text),), embedder)
    assert draft.claims == ()


@pytest.mark.parametrize("shown", [(), (passage(1, ""),), (passage(1, "Leave\n\nOK."),)])
def test_without_a_sentence_there_is_no_answer(embedder: Embedder, shown: tuple[Passage, ...]) -> None:
    draft = extract("How much annual leave is there?", shown, embedder, abstain_below=0.0)
    assert draft.claims == () and draft.confidence == 0.0
    assert draft.missing == "annual, leave"


def test_the_threshold_can_be_set(embedder: Embedder) -> None:
    shown = (passage(1, LEAVE),)
    question = "What are the opening hours of the swimming pool?"
    assert extract(question, shown, embedder).claims == ()
    assert extract(question, shown, embedder, abstain_below=0.0).claims
    assert extract("How many days of annual leave?", shown, embedder, abstain_below=1.0).claims == ()


def test_near_duplicates_are_said_once(embedder: Embedder) -> None:
    again = "Employees receive 28 days of paid annual leave in each calendar year."
    draft = extract("How many days of annual leave?", (passage(1, LEAVE), passage(2, again)), embedder)
    assert sum("28 days" in text for text in quoted(draft)) == 1


def test_other_numbers_are_another_statement(embedder: Embedder) -> None:
    other = "Employees receive 25 days of paid annual leave each calendar year."
    draft = extract(
        "How many days of annual leave do employees receive?", (passage(1, LEAVE), passage(2, other)), embedder
    )
    assert {"28", "25"} <= set(" ".join(quoted(draft)).split())


def test_best_document_first_then_document_order(embedder: Embedder) -> None:
    first = "Hotel costs over 140 euros a night need approval by a director. The hotel limit is 140 euros a night."
    second = "In London the hotel limit is 190 euros a night."
    question = "What is the hotel limit in London?"
    draft = extract(question, (passage(1, first), passage(2, second)), embedder, abstain_below=0.0)
    places = [(q.passage, q.span.start) for c in draft.claims for q in c.quotes if q.span is not None]
    assert places[0][0] == 2
    assert [p for p in places if p[0] == 1] == sorted(p for p in places if p[0] == 1)


def test_a_superseded_document_gives_way(embedder: Embedder) -> None:
    old = passage(1, "The hotel limit is 120 euros a night.", state="superseded")
    new = passage(2, TRAVEL)
    question = "What is the hotel limit a night?"
    assert {q.passage for c in extract(question, (old, new), embedder).claims for q in c.quotes} == {2}


def test_a_superseded_document_answers_when_nothing_else_does(embedder: Embedder) -> None:
    old = passage(1, "The hotel limit is 120 euros a night.", state="superseded")
    draft = extract("What is the hotel limit a night?", (old, passage(2, LEAVE)), embedder)
    assert quoted(draft) == ["The hotel limit is 120 euros a night."]


def test_a_sentence_that_announces_a_list_comes_with_it(embedder: Embedder) -> None:
    listed = "the receipt\na cost centre\nyour manager's consent"
    text = f"To claim travel expenses you need:\n\n{listed}\n\nPayment takes a week."
    draft = extract("What do I need to claim travel expenses?", (passage(1, text),), embedder)
    assert any(t.endswith("your manager's consent") and t.startswith("To claim") for t in quoted(draft))


def test_a_table_row_is_quoted_whole(embedder: Embedder) -> None:
    rows = "Plan: Silver | Price: 12 EUR | Seats: 5\nPlan: Gold | Price: 20 EUR | Seats: 25"
    draft = extract("What is the price of the Gold plan?", (passage(1, rows, title="Price list"),), embedder)
    assert "Plan: Gold | Price: 20 EUR | Seats: 25" in quoted(draft)


def test_headings_are_context_and_never_quoted() -> None:
    text = "2. Annual leave\n\nEmployees receive 28 days a year.\n\nSick leave\n\nTell your manager before nine."
    found = gather([replace(passage(1, text, title="People"), heading_path=("Absence",))])
    assert [s.text for s in found] == ["Employees receive 28 days a year.", "Tell your manager before nine."]
    assert [s.context for s in found] == ["People — Absence — Annual leave", "People — Absence — Sick leave"]


def test_few_sentences_are_embedded_in_one_batch(embedder: Embedder) -> None:
    long = "\n".join(f"Rule number {i} says that parcel {i} goes to room {i * 7}." for i in range(300))
    counting = Counting(embedder)
    draft = extract("Which room does parcel 299 go to?", (passage(1, LEAVE), passage(2, long)), counting)
    assert counting.batches == [1 + 2 * MOST_EMBEDDED]
    assert "Rule number 299 says that parcel 299 goes to room 2093." in quoted(draft)


@given(
    texts=st.lists(st.text(alphabet="ab 28.|:\n?€é😀", max_size=120), min_size=1, max_size=4),
    question=st.sampled_from(["how many days", "what is the", "ab 28?", "who"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_text_quotes_are_verbatim(embedder: Embedder, texts: list[str], question: str) -> None:
    shown = tuple(passage(n, text, at=7 * n) for n, text in enumerate(texts, 1))
    draft = extract(question, shown, embedder, abstain_below=0.0)
    assert len(draft.claims) <= MOST_SENTENCES
    assert 0 <= draft.confidence <= 1
    seen: list[tuple[int, Span]] = []
    for claim in draft.claims:
        (quote,) = claim.quotes
        source = shown[quote.passage - 1]
        assert quote.span is not None and source.span.start <= quote.span.start < quote.span.end <= source.span.end
        assert source.text[quote.span.start - source.span.start : quote.span.end - source.span.start] == quote.text
        assert any(s.of(source.text) in quote.text for s in sentences(source.text))
        seen.append((quote.passage, quote.span))
    assert len(set(seen)) == len(seen)


def test_weights_for_other_features_are_refused(tmp_path: Path) -> None:
    body = json.loads((Path(retrieval.__path__[0]) / f"{VERSION}.json").read_text())
    assert read(_written(tmp_path, body)).sentence.weights.shape == (len(SENTENCE_FEATURES),)
    del body["sentence"]["features"]["cosine"]
    with pytest.raises(ValueError, match="the code measures"):
        read(_written(tmp_path, body))
    with pytest.raises(ValueError, match="version"):
        read(_written(tmp_path, {**body, "version": "extract.v0"}))


def _written(folder: Path, body: object) -> Path:
    path = folder / "model.json"
    path.write_text(json.dumps(body))
    return path
