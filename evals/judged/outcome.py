"""What became of a question, whoever answered it, and its measures: what a run keeps of it.

    right                 of an answerable question how well its answer cites what is marked (0 where it abstained); of
                          another 1 where it abstained. The one figure that every question has
    precision             answered questions: whether the question can be answered
    recall                questions that can be answered: whether there was an answer
    abstention_precision  abstentions: whether the question cannot be answered
    abstention_recall     questions that cannot be answered: whether there was an abstention
    citation_recall, citation_precision   answers: see `citations.py`
    claim_support         questions with a draft: share of its claims that verification found supported
    sentence_f1           answers to answerable questions: F1 of what they cite against what is marked
    sentence_f1_all       questions that can be answered: the same, 0 where it abstained
    failed                whether the model that was to write did not
    latency_ms, tokens, cost

A measure is missing where there is nothing to measure: that no answer cited anything is not that it cited badly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evals.datasets import Evidence
from evals.judged.citations import Judge, Statement, citing
from evals.ranked import Asked


@dataclass(frozen=True, slots=True)
class Outcome:
    """``statements``: the answer's, none where it abstained; ``cited``: the places that they quote. ``drafted`` and
    ``supported``: claims that were written, and those of them that verification found supported; ``conflicts``: pairs
    of places that the answer sets against each other, the newer first. ``confidence``: the writer's."""

    statements: tuple[Statement, ...]
    cited: tuple[Evidence, ...]
    drafted: int
    supported: int
    ms: float
    confidence: float = 0.0
    conflicts: tuple[tuple[Evidence, Evidence], ...] = ()
    tokens: int = 0
    cost: float = 0.0
    failed: bool = False

    @property
    def answered(self) -> bool:
        return bool(self.statements)

    @property
    def said(self) -> str:
        return " ".join(one.text for one in self.statements)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question and what is right. ``marked``: the places that ought to be cited, ``relevant``: the documents."""

    query: str
    text: str
    answerable: bool
    relevant: Mapping[str, int]
    marked: tuple[Evidence, ...] = ()


def judged(wanted: Wanted, found: Outcome, hit: float | None, judge: Judge, **more: float) -> Asked:
    """The question as a run keeps it. ``hit``: how well the answer cites what is marked, None where nobody marked it:
    then an answer is right. ``more``: measures of this set alone."""
    measures = {**dict(_of_answering(wanted, found, hit)), **dict(_of_answer(found, judge)), **more}
    return Asked(
        query=wanted.query,
        text=wanted.text,
        relevant=wanted.relevant,
        evidence=wanted.marked,
        ranking=tuple((document, 1.0) for document in dict.fromkeys(one.document for one in found.cited)),
        passages=tuple((one, 1.0) for one in found.cited),
        measures=measures,
        answerable=wanted.answerable,
        said=found.said,
    )


def _of_answering(wanted: Wanted, found: Outcome, hit: float | None) -> Iterator[tuple[str, float]]:
    well = 1.0 if hit is None else hit
    yield "right", float(found.answered) * well if wanted.answerable else float(not found.answered)
    if wanted.answerable:
        yield "recall", float(found.answered)
    else:
        yield "abstention_recall", float(not found.answered)
    if found.answered:
        yield "precision", float(wanted.answerable)
    else:
        yield "abstention_precision", float(not wanted.answerable)
    if wanted.answerable and hit is not None:
        if found.answered:
            yield "sentence_f1", hit
        yield "sentence_f1_all", hit if found.answered else 0.0


def _of_answer(found: Outcome, judge: Judge) -> Iterator[tuple[str, float]]:
    if found.answered:
        cites = citing(found.statements, judge)
        yield "citation_recall", cites.recall
        yield "citation_precision", cites.precision
    if found.drafted:
        yield "claim_support", found.supported / found.drafted
    yield "failed", float(found.failed)
    yield "latency_ms", round(found.ms, 3)
    yield "tokens", float(found.tokens)
    yield "cost", found.cost
