"""Fit the document reranker: ``python -m evals.fit_rerank`` writes `vouch/gateway/rerank_document.v1.json`.

Fitted on one half of each set's questions, as the hash of the id has it; the other halves are printed beside it. Every
set counts alike. The weights are few and go by :data:`STEPS`, so they are found by trying: one weight after another
takes the value that is best for the mean nDCG@10, until none moves. A fall on a set counts :data:`FALL` times.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean as mean

import vouch.gateway
from evals import sets
from evals.datasets import Half, RetrievalSet, half
from evals.run import evaluation_embedder
from evals.search import ranking, readable, searchable
from retrieval.rerank import DEPTH
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank_document import VERSION, Signals, signals, weighed

SETS = ("scifact", "cranfield", "handbook", "sec-10q", "xquad-en", "xquad-de", "xquad-es", "xquad-zh")
STEPS = {
    "title_holds": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15),
    "title_is": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
    "document": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2),
}
FALL = 2.0
NEVER = 0.0002
"""A gain below this moves no weight: it is a question or two."""
TOP = 10
NOTHING = Signals(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One question. ``head``: document, fused score and signals of what is ranked again; ``tail``: what comes after."""

    head: tuple[tuple[str, float, Signals], ...]
    tail: tuple[str, ...]
    relevant: Mapping[str, int]


Part = Mapping[str, Sequence[Ranked]]
"""Questions by the name of their set."""


def asked(data: RetrievalSet, embedder: Embedder) -> Iterator[tuple[Half, Ranked]]:
    """Every judged question with what search found for it."""
    with searchable(data.documents, embedder) as found:
        for query in (query for query in data.queries if query in data.qrels):
            text = data.queries[query]
            ranked = ranking(found.hits(text), "hybrid")
            shown = [readable(found.sections[key], fused) for key, fused in ranked[:DEPTH]]
            seen = zip(shown, signals(text, shown), strict=True)
            head = tuple((one.document, one.fused, its) for one, its in seen)
            yield half(query), Ranked(head, tuple(key[0] for key, _ in ranked[DEPTH:]), data.qrels[query])


def quality(weights: Signals, part: Part) -> dict[str, float]:
    """nDCG@10 of each set."""
    return {name: mean(ndcg(weights, one) for one in questions) for name, questions in part.items()}


def ndcg(weights: Signals, one: Ranked) -> float:
    """Of documents, each at its best passage; gains are what the set judges, as trec_eval has it."""
    scored = [(fused + weighed(weights, seen), fused, document) for document, fused, seen in one.head]
    ordered = [document for _, _, document in sorted(scored, key=lambda row: (-row[0], -row[1]))]
    found = list(dict.fromkeys((*ordered, *one.tail)))[:TOP]
    best = sorted(one.relevant.values(), reverse=True)[:TOP]
    ideal = discounted(best)
    return discounted([one.relevant.get(document, 0) for document in found]) / ideal if ideal else 0.0


def discounted(gains: Sequence[int]) -> float:
    return sum(max(gain, 0) / math.log2(place + 2) for place, gain in enumerate(gains))


def fit(part: Part) -> Signals:
    """The weights that are best for ``part``."""
    before = quality(NOTHING, part)
    weights, best, moved = NOTHING, 0.0, True
    while moved:
        moved = False
        for name, steps in STEPS.items():
            for step in steps:
                tried = replace(weights, **{name: step})
                gain = _gain(before, quality(tried, part))
                if gain > best + NEVER:
                    weights, best, moved = tried, gain, True
    return weights


def document(weights: Signals, part: Part, held_out: Part) -> Json:
    """What is written: the weights, where they come from, and what they are worth."""
    before, after = quality(NOTHING, held_out), quality(weights, held_out)
    return {
        "version": VERSION,
        "weights": asdict(weights),
        "fitted": {
            "by": "python -m evals.fit_rerank",
            "on": datetime.now(UTC).date().isoformat(),
            "half": "fit (even SHA-256 of the question's id)",
            "candidates": DEPTH,
            "questions": {name: len(questions) for name, questions in part.items()},
            "held_out_ndcg_10": {name: [round(before[name], 4), round(after[name], 4)] for name in held_out},
        },
    }


def _gain(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    moves = [after[name] - value for name, value in before.items()]
    return mean(move if move >= 0 else FALL * move for move in moves)


def main() -> None:
    assert {field.name for field in fields(Signals)} == STEPS.keys()
    embedder = evaluation_embedder(Settings())
    halves: dict[Half, dict[str, list[Ranked]]] = {"fit": {}, "held out": {}}
    for name in SETS:
        print(f"  {name}", file=sys.stderr, flush=True)
        for side, one in asked(sets.load(name), embedder):
            halves[side].setdefault(name, []).append(one)
    body = document(fit(halves["fit"]), halves["fit"], halves["held out"])
    target = Path(vouch.gateway.__path__[0]) / f"{VERSION}.json"
    target.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(body, indent=2))


if __name__ == "__main__":
    main()
