"""Fit the extractor's weights and thresholds: ``python -m evals.fit_extract`` writes `retrieval/extract.v1.json`.

Which sentences answer is learnt from the answerable items of all sets; whether they answer, from the sets
that have unanswerable ones as well. Every set is split in two by the hash of its ids: one half is fitted
on, the other is what `python -m evals answers` reports.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import retrieval
from evals import datasets
from evals.answer_items import AnswerItem, one_passage, searched, without_answer
from evals.measures import best_threshold, sentence_f1
from retrieval.extract import choose
from retrieval.extract_features import (
    ANSWER_FEATURES,
    SENTENCE_FEATURES,
    Array,
    Measured,
    answer_features,
    measure,
)
from retrieval.extract_model import VERSION, Logistic, Model
from vouch.core.types import Json
from vouch.gateway.embed import Embedder

SEED = 20_260_301
MOST_OF_A_SET = 700
ANSWER_WEIGHTS = {"clapnq": 2.0, "SelQA": 0.5, "xquad": 0.7, "chunk": 0.3}
"""How much each set counts when learning whether the evidence answers. ``SelQA`` holds passages whose answer was
cut out, the hardest case; in ``chunk`` some questions keep an unlabelled answer, so it counts least."""
KEEP_WEIGHTS = {"clapnq": 5.0}
"""The one set whose answers are meant whole has as much say as the five that want the sentence with the answer."""
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FLOORS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)


@dataclass(frozen=True, slots=True)
class Sample:
    """``gold``: for each measured sentence, whether it answers."""

    item: AnswerItem
    found: Measured
    gold: Array

    @property
    def family(self) -> str:
        return self.item.source.split()[0]


def items(data: Path, embedder: Embedder) -> list[AnswerItem]:
    """All sets, the same ones every time."""
    rng = random.Random(SEED)  # noqa: S311
    by_source: dict[str, list[datasets.SentenceItem]] = {}
    for item in datasets.answer_sentences(data):
        by_source.setdefault(item.source, []).append(item)
    picked = [i for source in sorted(by_source) for i in rng.sample(by_source[source], MOST_OF_A_SET)]
    picked = [_maybe_cut(i) for i in picked] + list(datasets.clapnq(data))
    searches = (datasets.evidence_spans(data, name) for name in ("xquad-multilingual/en", "chunk-spans"))
    found = [one_passage(i) for i in picked]
    return found + [i for s in searches for i in searched(s, embedder, most=500, seed=SEED)]


def samples(found: Iterable[AnswerItem], embedder: Embedder) -> list[Sample]:
    measured = ((item, measure(item.question, item.passages, embedder)) for item in found)
    return [Sample(item, m, _gold(item, m)) for item, m in measured if m is not None]


def fit(train: Sequence[Sample]) -> Model:
    """Weights and thresholds of all parts, from the half to fit on."""
    answerable = [s for s in train if s.item.answerable and s.gold.any()]
    sentence = _logistic(
        np.vstack([s.found.features for s in answerable]),
        np.concatenate([s.gold for s in answerable]),
        np.concatenate([np.full(len(s.gold), 3.0 if s.family == "clapnq" else 1.0) for s in answerable]),
    )
    share, floor = _keep(sentence, answerable)
    draft = Model(VERSION, sentence, Logistic(np.zeros(len(ANSWER_FEATURES)), 0.0), share, floor, 0.5)
    judged = [s for s in train if s.family in ANSWER_WEIGHTS]
    features = np.vstack([evidence(draft, s) for s in judged])
    labels = np.array([s.item.answerable for s in judged], float)
    weights = _balanced(judged)
    answer = _logistic(features, labels, weights)
    threshold = best_threshold(labels, answer(features), weights)
    return Model(VERSION, sentence, answer, share, floor, threshold)


def evidence(model: Model, sample: Sample) -> Array:
    """The answer features of what ``model`` would choose."""
    scores = model.sentence(sample.found.features)
    return answer_features(sample.found, choose(sample.found, scores, model))


def document(model: Model, train: Sequence[Sample], embedder: Embedder) -> Json:
    """What is written: weights by feature name, and where they come from."""
    counts: dict[str, int] = {}
    for sample in train:
        counts[sample.item.source] = counts.get(sample.item.source, 0) + 1
    return {
        "version": model.version,
        "sentence": _named(model.sentence, SENTENCE_FEATURES),
        "answer": _named(model.answer, ANSWER_FEATURES),
        "keep": {"share_of_best": model.keep_share, "at_least": model.keep_above},
        "threshold": model.threshold,
        "fitted": {
            "by": "python -m evals.fit_extract",
            "on": datetime.now(UTC).date().isoformat(),
            "seed": SEED,
            "embedder": embedder.name,
            "half": "fit (even SHA-256 of the item's id)",
            "items": counts,
            "answer_weights": ANSWER_WEIGHTS,
            "threshold": "best weighted balanced accuracy on the same half",
        },
    }


def _maybe_cut(item: datasets.SentenceItem) -> datasets.SentenceItem:
    """Every other SelQA passage loses its answer."""
    cut = item.source == "SelQA" and datasets.half(f"{item.id} answerable") == "held out"
    return without_answer(item) if cut and len(item.sentences) - len(item.gold) > 2 else item


def _gold(item: AnswerItem, found: Measured) -> Array:
    answers = [
        any(n == s.passage.n and g.start < s.span.end and g.end > s.span.start for n, g in item.gold)
        for s in found.sentences
    ]
    return np.array(answers, float)


def _logistic(features: Array, labels: Array, weights: Array) -> Logistic:
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=0.3, max_iter=1000, random_state=SEED)
    model.fit(scaler.transform(features), labels, sample_weight=weights)
    scaled = np.asarray(model.coef_[0], dtype=np.float64) / scaler.scale_
    return Logistic(scaled, float(model.intercept_[0] - scaled @ scaler.mean_))


def _balanced(judged: Sequence[Sample]) -> Array:
    """Each set counts as :data:`ANSWER_WEIGHTS` says, half of it for either label."""
    sizes: dict[tuple[str, bool], int] = {}
    for s in judged:
        sizes[s.family, s.item.answerable] = sizes.get((s.family, s.item.answerable), 0) + 1
    return np.array([100 * ANSWER_WEIGHTS[s.family] / sizes[s.family, s.item.answerable] for s in judged])


def _keep(sentence: Logistic, answerable: Sequence[Sample]) -> tuple[float, float]:
    """The share and floor with the best citation F1, sets counting as :data:`KEEP_WEIGHTS` says."""
    scored = [(s, sentence(s.found.features)) for s in answerable]
    nobody = Logistic(np.zeros(len(ANSWER_FEATURES)), 0.0)

    def quality(share: float, floor: float) -> float:
        model = Model(VERSION, sentence, nobody, share, floor, 0.5)
        by_family: dict[str, list[float]] = {}
        for s, scores in scored:
            chosen = frozenset(choose(s.found, scores, model))
            by_family.setdefault(s.family, []).append(sentence_f1(chosen, frozenset(np.flatnonzero(s.gold).tolist())))
        return float(sum(KEEP_WEIGHTS.get(family, 1.0) * np.mean(values) for family, values in by_family.items()))

    return max(((a, b) for a in SHARES for b in FLOORS), key=lambda pair: quality(*pair))


def _named(model: Logistic, names: Sequence[str]) -> Json:
    return {
        "features": {name: round(float(w), 5) for name, w in zip(names, model.weights, strict=True)},
        "bias": round(model.bias, 5),
    }


def main() -> None:
    from evals.run import evaluation_embedder
    from vouch.core.settings import Settings

    embedder = evaluation_embedder(Settings())
    train = samples((i for i in items(datasets.data_folder(), embedder) if datasets.half(i.id) == "fit"), embedder)
    body = document(fit(train), train, embedder)
    target = Path(retrieval.__path__[0]) / f"{VERSION}.json"
    target.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    print(
        f"wrote {target.name}: threshold {body['threshold']:.3f}, keep {body['keep']}, items {body['fitted']['items']}"
    )


if __name__ == "__main__":
    main()
