"""Does the threshold hold where it matters: on passages that search found among a company's own pages?

KITE's ten questions are answered by the handbook; a hundred on other matters are not. Ten say little, so
this is a check on the threshold, not what it was chosen on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from evals import datasets, sets
from evals.datasets import RawDocument
from evals.judged.citations import Judge
from evals.judged.outcome import Outcome, Wanted, judged
from evals.judged.walk import Walk
from evals.ranked import Asked, Ranked
from evals.search import Searchable, Section, searchable
from retrieval.fuse import fuse
from retrieval.pack import PASSAGES
from retrieval.types import Freshness, Passage
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
    ranked: Ranked
    documents: tuple[RawDocument, ...]
    answered: float
    cites_page: float
    wrongly_answered: float


def run(data: Path, embedder: Embedder, answering: tuple[Walk, Judge], *, limit: int | None = None) -> HandbookReport:
    """``limit`` takes the first of either kind only. ``embedder``: what searches."""
    walk, judge = answering
    questions = sets.handbook_questions(data)
    foreign = datasets.foreign_questions(data)
    picked = random.Random(SEED).sample(sorted(foreign), FOREIGN)[:limit]  # noqa: S311
    own = [Wanted(q, text, True, questions.qrels[q]) for q, text in list(questions.queries.items())[:limit]]
    wanted = [*own, *(Wanted(key, foreign[key], False, {}) for key in picked)]
    with searchable(questions.documents, embedder) as found:
        asked = tuple(_judged(one, _ask(found, walk, one.text), judge) for one in wanted)
    right = [one for one in asked if one.answerable]
    wrong = [one for one in asked if not one.answerable]
    return HandbookReport(
        "handbook",
        len(right),
        len(wrong),
        Ranked("handbook", asked),
        questions.documents,
        fmean(bool(one.said) for one in right),
        fmean(one.measures["right"] for one in right),
        fmean(bool(one.said) for one in wrong),
    )


def _judged(wanted: Wanted, outcome: Outcome, judge: Judge) -> Asked:
    """Which of a page's sentences answer nobody has marked: to cite the page is right."""
    cites = any(place.document in wanted.relevant for place in outcome.cited)
    asked = judged(wanted, outcome, float(cites), judge)
    return replace(asked, measures={k: v for k, v in asked.measures.items() if not k.startswith("sentence_")})


def _ask(found: Searchable, walk: Walk, question: str) -> Outcome:
    best = fuse(found.hits(question))[:PASSAGES]
    shown = [_passage(n, found.sections[c.document_id, c.ordinal]) for n, c in enumerate(best, 1)]
    return walk(question, tuple(shown), found.texts)


def _passage(n: int, s: Section) -> Passage:
    return Passage(
        n, s.document, s.document, 1, s.title, s.document, s.span, s.text, s.headings, (), 1 / n, None, _FRESH
    )
