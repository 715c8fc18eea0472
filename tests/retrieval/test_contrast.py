"""What counts as a contradiction between two documents, and what only looks like one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest

from retrieval.contrast import Contradiction, contrast
from retrieval.types import Draft, DraftClaim, Freshness, Passage, Quote
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

CONTRADICT = [
    (
        "Hotel costs are reimbursed up to 120 euros per night.",
        "For hotel costs up to 150 euros per night are reimbursed.",
    ),
    (
        "Employees receive 25 days of annual leave.",
        "Full-time staff are entitled to 28 days of paid annual leave per year.",
    ),
    ("The data retention period for customer logs is 90 days.", "Customer logs are kept for 30 days and then deleted."),
    ("Passwords must be at least 12 characters long.", "Minimum password length is 14 characters."),
    ("Laptops are replaced every three years.", "We replace laptops every 4 years."),
    ("The severity 1 response time is 15 minutes.", "For severity 1 incidents we respond within 30 minutes."),
]
AGREE = [
    (
        "Hotel costs in Norway are reimbursed up to 180 euros.",
        "Hotel costs in Portugal are reimbursed up to 110 euros.",
    ),
    ("Every parent may take 20 weeks of paid leave.", "Carers may take 10 weeks of unpaid leave too."),
    ("Employees receive 25 days of annual leave.", "Up to 5 days of annual leave can be carried over."),
    ("Severity 1 incidents are answered within 15 minutes.", "Severity 2 incidents are answered within 60 minutes."),
    ("Meals are reimbursed up to 40 euros per day.", "Hotels are reimbursed up to 140 euros per night."),
    ("Backups are kept for 30 days.", "Backups run every 6 hours."),
    ("Managers approve expenses up to 500 euros.", "Directors approve expenses up to 5,000 euros."),
    ("Laptops are replaced every three years.", "We replace laptops every 3 years."),
]


def passage(n: int, text: str, *, year: int = 2025, state: Literal["fresh", "superseded"] = "fresh") -> Passage:
    at = datetime(year, 1, 1, tzinfo=UTC)
    return Passage(
        n=n, document_id=f"d{n}", external_id=f"d{n}", version=1, title=f"Document {n}", uri="",
        span=Span(0, len(text)), text=text, heading_path=(), places=(), score=1.0, modified_at=at,
        freshness=Freshness(state, at, None),
    )  # fmt: skip


def drafted(*passages: Passage) -> Draft:
    quotes = [Quote(p.n, p.span, p.text) for p in passages]
    return Draft(tuple(DraftClaim(q.text, (q,), 1.0) for q in quotes), 1.0, "test")


def found(a: Passage, b: Passage, embedder: Embedder) -> tuple[list[str], tuple[Contradiction, ...]]:
    draft, contradictions = contrast(drafted(a), (a, b), embedder)
    return [claim.text for claim in draft.claims], contradictions


@pytest.mark.parametrize(("a", "b"), CONTRADICT)
def test_another_figure_for_the_same_thing_is_shown_beside_it(a: str, b: str, embedder: Embedder) -> None:
    claims, (contradiction,) = found(passage(1, a), passage(2, b, year=2026), embedder)
    assert claims == [b, a]
    assert (contradiction.newer.text, contradiction.older.text) == (b, a)


@pytest.mark.parametrize(("a", "b"), AGREE)
def test_other_figures_for_other_things_are_no_contradiction(a: str, b: str, embedder: Embedder) -> None:
    assert found(passage(1, a), passage(2, b), embedder) == ([a], ())


def test_a_superseded_document_contradicts_nothing(embedder: Embedder) -> None:
    a, b = CONTRADICT[0]
    assert found(passage(1, a), passage(2, b, state="superseded"), embedder) == ([a], ())
    assert found(passage(1, a, state="superseded"), passage(2, b), embedder) == ([a], ())


def test_what_the_draft_says_already_is_not_said_twice(embedder: Embedder) -> None:
    older, newer = passage(1, CONTRADICT[0][0]), passage(2, CONTRADICT[0][1], year=2026)
    draft, contradictions = contrast(drafted(older, newer), (older, newer), embedder)
    assert [claim.text for claim in draft.claims] == [newer.text, older.text]
    assert len(contradictions) == 1
