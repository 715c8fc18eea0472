"""Does the threshold hold where it matters: on passages that search found among a company's own pages?

KITE's ten questions are answered by the handbook; a hundred on other matters are not. Ten say little, so
this is a check on the threshold, not what it was chosen on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from evals import datasets, sets
from evals.search import Searchable, Section, searchable
from retrieval.extract import extract
from retrieval.extract_model import load
from retrieval.fuse import fuse
from retrieval.pack import PASSAGES
from retrieval.types import Draft, Freshness, Passage
from vouch.gateway.embed import Embedder

SEED = 20_260_301
FOREIGN = 100
_FRESH = Freshness("fresh", None, None)


@dataclass(frozen=True, slots=True)
class HandbookReport:
    """``answered``: share of the answerable questions answered; ``cites_page``: share answered with a quote from
    a page that holds the answer; ``wrongly_answered``: share of the unanswerable ones answered."""

    name: str
    answerable: int
    unanswerable: int
    threshold: float
    answered: float
    cites_page: float
    wrongly_answered: float


def run(data: Path, embedder: Embedder, *, limit: int | None = None) -> HandbookReport:
    """``limit`` takes the first of either kind only."""
    questions = sets.handbook_questions(data)
    foreign = datasets.foreign_questions(data)
    picked = random.Random(SEED).sample(sorted(foreign), FOREIGN)[:limit]  # noqa: S311
    with searchable(questions.documents, embedder) as found:
        asked = dict(list(questions.queries.items())[:limit])
        drafts = {query: _ask(found, text) for query, text in asked.items()}
        wrong = [_ask(found, foreign[key])[0] for key in picked]
    citing = [bool(_pages(*drafts[query]) & questions.qrels[query].keys()) for query in drafts]
    return HandbookReport(
        "handbook",
        len(drafts),
        len(wrong),
        load().threshold,
        sum(bool(draft.claims) for draft, _ in drafts.values()) / len(drafts),
        sum(citing) / len(drafts),
        sum(bool(draft.claims) for draft in wrong) / len(wrong),
    )


def _ask(found: Searchable, question: str) -> tuple[Draft, dict[int, str]]:
    """The draft, and each passage's document by its number."""
    best = fuse(found.hits(question))[:PASSAGES]
    shown = [_passage(n, found.sections[c.document_id, c.ordinal]) for n, c in enumerate(best, 1)]
    return extract(question, tuple(shown), found.embedder), {p.n: p.document_id for p in shown}


def _pages(draft: Draft, documents: dict[int, str]) -> frozenset[str]:
    return frozenset(documents[quote.passage] for claim in draft.claims for quote in claim.quotes)


def _passage(n: int, s: Section) -> Passage:
    return Passage(
        n, s.document, s.document, 1, s.title, s.document, s.span, s.text, s.headings, (), 1 / n, None, _FRESH
    )
