"""A company's own questions, answered by the platform that runs, as the user that the set belongs to.

What is measured is what that user gets: the documents, the access, the models and the budgets of today. How long an
answer takes is from the request to its last byte.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from evals.answers import AnswerReport
from evals.datasets import Evidence
from evals.judged.citations import Judge, Statement
from evals.judged.outcome import Outcome, Wanted, judged
from evals.own.expected import Question, questions
from evals.own.folder import asker, document_key
from evals.ranked import Asked, Ranked
from vouch import __version__
from vouch.client.client import Client
from vouch.client.reach import connect
from vouch.client.results import Answer, Citation
from vouch.core.errors import ModelUnavailable
from vouch.core.types import Json, Span


@dataclass(frozen=True, slots=True)
class _Platform:
    vouch: Client
    _sources: dict[str, str] = field(default_factory=dict)

    def key(self, citation: Citation) -> str:
        """The cited document as the set names it."""
        if citation.document_id not in self._sources:
            self._sources[citation.document_id] = self.vouch.document(citation.document_id).source_id
        return document_key(self._sources[citation.document_id], citation.external_id)


def run(folder: Path, judge: Judge) -> tuple[AnswerReport, Json]:
    """Every question of the set, and all that decided its answers. Raises :class:`BadEvalSet` before anything is asked,
    and what the platform answers with; a model that does not answer is measured."""
    asked = questions(folder)
    with connect(asker(folder)) as vouch:
        platform = _Platform(vouch)
        rows = tuple(_asked(platform, one, judge) for one in asked)
        choices = {"vouch": __version__, "platform": vouch.url, "user": asker(folder), "writer": "platform"}
    name = folder.resolve().name
    return AnswerReport(name, Ranked(name, rows), (), None, {}), choices


def _asked(platform: _Platform, question: Question, judge: Judge) -> Asked:
    began = time.perf_counter()
    try:
        answer = platform.vouch.ask(question.text, syntax="plain")
    except ModelUnavailable:
        answer = None
    ms = 1000 * (time.perf_counter() - began)
    wanted = Wanted(
        question.id, question.text, question.answerable, dict.fromkeys((e.document for e in question.expected), 1)
    )
    if answer is None:
        return _less_marks(judged(wanted, Outcome((), (), 0, 0, ms, failed=True), None, judge), question)
    keys = {one.n: platform.key(one) for one in answer.citations}
    found = _outcome(platform.vouch, answer, keys, ms)
    return _less_marks(judged(wanted, found, _hit(question, answer, keys), judge), question)


def _less_marks(asked: Asked, question: Question) -> Asked:
    """Without the F1 of sentences, where documents alone are known."""
    if any(one.words is not None or one.span is not None for one in question.expected):
        return asked
    return replace(asked, measures={k: v for k, v in asked.measures.items() if not k.startswith("sentence_")})


def _outcome(vouch: Client, answer: Answer, keys: dict[int, str], ms: float) -> Outcome:
    quotes = {one.n: one.quote for one in answer.citations}
    rejected = {one["claim"] for one in vouch.trace(answer.trace_id).rejected or ()} - {c.text for c in answer.claims}
    return Outcome(
        statements=tuple(Statement(one.text, tuple(quotes[n] for n in one.citations)) for one in answer.claims),
        cited=tuple(Evidence(keys[one.n], Span(one.span.start, one.span.end)) for one in answer.citations),
        drafted=len(answer.claims) + len(rejected),
        supported=sum(one.verdict == "supported" for one in answer.claims),
        ms=ms,
        tokens=int(answer.usage.get("input_tokens", 0)) + int(answer.usage.get("output_tokens", 0)),
        cost=float(answer.usage.get("cost", 0)),
    )


def _hit(question: Question, answer: Answer, keys: dict[int, str]) -> float | None:
    """F1 of what is cited against what is expected; where a document alone is, whether it is cited."""
    if not question.expected:
        return None
    cited = [(keys[one.n], Span(one.span.start, one.span.end), one.quote) for one in answer.citations]
    held = [[one.holds(*place) for place in cited] for one in question.expected]
    found = sum(any(row) for row in held)
    if not found:
        return 0.0
    if all(one.words is None and one.span is None for one in question.expected):
        return 1.0
    fitting = sum(map(any, zip(*held, strict=True)))
    precision, recall = fitting / len(cited), found / len(held)
    return 2 * precision * recall / (precision + recall)
