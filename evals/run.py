"""Run evaluations, name their figures, hold them against the gates."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from evals import answers, datasets, handbook_answers, search, sets
from evals.answers import AnswerReport
from evals.embedding_cache import CachedEmbedder, cache_folder
from evals.handbook_answers import HandbookReport
from evals.search import SearchReport
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.embed import Embedder, load_embedder

Report = SearchReport | AnswerReport | HandbookReport
SEARCH = tuple(sets.SETS)
ANSWERS = ("clapnq", "xquad", "chunk-spans", "handbook")
GATES = Path(__file__).with_name("gates.toml")
_LESS_SOURCE = "less source pages"


@dataclass(frozen=True, slots=True)
class Gate:
    """``above`` and ``below`` are exclusive; None is no bound."""

    figure: str
    above: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)

    def __str__(self) -> str:
        bounds = ((">", self.above), ("<", self.below))
        return " and ".join(f"{sign} {bound:.3f}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Reference:
    value: float
    of: str


def run_search(name: str, settings: Settings, *, data: Path | None = None, limit: int | None = None) -> SearchReport:
    """Retrieval on one of :data:`SEARCH`, every mode.

    Raises as :func:`evals.sets.load`.
    """
    return search.run(sets.load(name, data), evaluation_embedder(settings), limit=limit)


def run_answers(
    name: str, settings: Settings, *, data: Path | None = None, limit: int | None = None
) -> AnswerReport | HandbookReport:
    """Answers and abstentions on one of :data:`ANSWERS`. Raises as :func:`run_search`."""
    folder, embedder = datasets.data_folder(data), evaluation_embedder(settings)
    if name == "handbook":
        return handbook_answers.run(folder, embedder, limit=limit)
    return answers.run(name, folder, embedder, limit=limit)


RUNS: dict[str, tuple[tuple[str, ...], Callable[..., Report]]] = {
    "search": (SEARCH, run_search),
    "answers": (ANSWERS, run_answers),
}
"""What `vouch eval run` and `python -m evals` offer: kind → the sets it runs by default, and how."""


def evaluation_embedder(settings: Settings) -> Embedder:
    """The configured embedder behind the evaluation's cache; its converted graph lives in the cache folder too."""
    folder = cache_folder()
    return CachedEmbedder(load_embedder(settings.model_copy(update={"data_dir": folder})), folder)


def figures(report: Report) -> dict[str, float]:
    """Every figure of a report by its dotted name, as `gates.toml` writes it."""
    if isinstance(report, SearchReport):
        return dict(_search_figures(report))
    prefix = f"answers.{report.name}"
    if isinstance(report, HandbookReport):
        parts = {name: getattr(report, name) for name in ("answered", "cites_page", "wrongly_answered")}
    else:
        parts = {
            **asdict(report.at_threshold),
            "citation_f1": report.citation_f1,
            "citation_f1_all": report.citation_f1_all,
        }
    return {f"{prefix}.{name}": value for name, value in parts.items()}


def to_json(report: Report) -> Json:
    """The report as JSON, its figures by name beside it."""
    body: Json = asdict(report)
    return {**body, "figures": figures(report)}


def gates(path: Path = GATES) -> tuple[tuple[Gate, ...], dict[str, Reference]]:
    """Gates and references. Raises TypeError when a gate has a key it should not have."""
    body = tomllib.loads(path.read_text(encoding="utf-8"))
    references = {name: Reference(**row) for name, row in body["reference"].items()}
    return tuple(Gate(**row) for row in body["gate"]), references


def failed(found: dict[str, float], wanted: tuple[Gate, ...]) -> list[str]:
    """A line for each gate that does not hold. A gate on a figure that was not measured does not hold either."""
    lines: list[str] = []
    for gate in wanted:
        value = found.get(gate.figure)
        if value is None:
            lines.append(f"{gate.figure} was not measured; it should be {gate}")
        elif not gate.holds(value):
            lines.append(f"{gate.figure} is {value:.4f}; it should be {gate}")
    return lines


def _search_figures(report: SearchReport) -> Iterator[tuple[str, float]]:
    variants = {report.name: report.figures}
    if report.excluding_source is not None:
        variants[f"{report.name} {_LESS_SOURCE}"] = report.excluding_source
    for name, modes in variants.items():
        for mode, measured in modes.items():
            yield f"search.{name}.{mode}.ndcg_10", measured.ndcg_10
            yield f"search.{name}.{mode}.recall_100", measured.recall_100
