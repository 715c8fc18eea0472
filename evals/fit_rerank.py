"""Fit the document reranker: ``python -m evals.fit_rerank`` writes `vouch/gateway/rerank_document.v2.json`.

Fitted on one half of each set's questions, as the hash of the id has it; the other halves are printed beside it. Every
family of sets counts alike, the languages of one set being one. The weights are few and go by :data:`STEPS`, so they
are found by trying: one weight after another takes the value that is best for the mean nDCG@10, until none moves. A
fall on a set counts :data:`FALL` times.

``--judge`` writes nothing. It tells what such weights are worth where they have not been fitted: on each half by those
of the other, and on each family by those of the others; ``--only near title_is`` with those signals alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    "document_holds": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3),
    "document": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2),
    "near": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
}
FALL = 2.0
NEVER = 0.0002
"""A gain below this moves no weight: it is a question or two."""
TOP = 10
NOTHING = Signals(0.0, 0.0, 0.0, 0.0, 0.0)


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
            shown = [readable(found, key, fused) for key, fused in ranked[:DEPTH]]
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


def fit(part: Part, only: Collection[str] = STEPS) -> Signals:
    """The weights that are best for ``part``, of the signals in ``only``."""
    before = quality(NOTHING, part)
    weights, best, moved = NOTHING, 0.0, True
    while moved:
        moved = False
        for name in only:
            for step in STEPS[name]:
                tried = replace(weights, **{name: step})
                gain = _gain(before, quality(tried, part))
                if gain > best + NEVER:
                    weights, best, moved = tried, gain, True
    return weights


def family(name: str) -> str:
    """The sets that are one text in several languages have one."""
    return "xquad" if name.startswith("xquad-") else name


def judged(halves: Mapping[Half, Part], only: Collection[str] = STEPS) -> Json:
    """nDCG@10 by set: of the search, of each half by weights of the other, of each family by those of the others."""
    whole: Part = {name: [*halves["fit"][name], *halves["held out"][name]] for name in halves["fit"]}
    by_half: dict[str, list[float]] = {name: [] for name in whole}
    sides: tuple[tuple[Half, Half], ...] = (("fit", "held out"), ("held out", "fit"))
    for fitted, measured in sides:
        weights = fit(halves[fitted], only)
        for name, questions in halves[measured].items():
            by_half[name] += [ndcg(weights, one) for one in questions]
    left_out: dict[str, float] = {}
    for one in dict.fromkeys(map(family, whole)):
        weights = fit({name: questions for name, questions in whole.items() if family(name) != one}, only)
        left_out |= quality(weights, {name: questions for name, questions in whole.items() if family(name) == one})
    rows = {"hybrid": quality(NOTHING, whole), "other half": {name: mean(v) for name, v in by_half.items()}}
    return {
        row: {name: round(v, 4) for name, v in found.items()} for row, found in (*rows.items(), ("left out", left_out))
    }


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
    families: dict[str, list[float]] = {}
    for name, value in before.items():
        move = after[name] - value
        families.setdefault(family(name), []).append(move if move >= 0 else FALL * move)
    return mean(map(mean, families.values()))


def main(argv: Sequence[str] | None = None) -> None:
    assert {field.name for field in fields(Signals)} == STEPS.keys()
    parser = argparse.ArgumentParser(prog="python -m evals.fit_rerank", description="Fit the document reranker.")
    parser.add_argument("--judge", action="store_true", help="tell what fitting is worth; write nothing")
    parser.add_argument("--only", nargs="+", choices=tuple(STEPS), default=tuple(STEPS), help="these signals alone")
    arguments = parser.parse_args(argv)
    embedder = evaluation_embedder(Settings())
    halves: dict[Half, dict[str, list[Ranked]]] = {"fit": {}, "held out": {}}
    for name in SETS:
        print(f"  {name}", file=sys.stderr, flush=True)
        for side, one in asked(sets.load(name), embedder):
            halves[side].setdefault(name, []).append(one)
    if arguments.judge:
        print(json.dumps(judged(halves, arguments.only), indent=2))
        return
    body = document(fit(halves["fit"], arguments.only), halves["fit"], halves["held out"])
    target = Path(vouch.gateway.__path__[0]) / f"{VERSION}.json"
    target.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(body, indent=2))


if __name__ == "__main__":
    main()
