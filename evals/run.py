"""Run evaluations and name their figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from evals import answers, datasets, groundedness, handbook_answers, ranked, reuse
from evals.answers import AnswerReport
from evals.datasets import RetrievalSet
from evals.embedding_cache import CachedEmbedder, cache_folder
from evals.groundedness import GroundednessReport
from evals.guards import GuardReport
from evals.handbook_answers import HandbookReport
from evals.judged.citations import Judge
from evals.judged.figures import means as judged_means
from evals.judged.walk import Walk, Writer, by_model, extractive
from evals.profiles import ChunkSize, Profile
from evals.ranked import Ranked
from evals.reuse import ReuseReport
from evals.search import search, searchable
from retrieval.extract_model import load as load_extract_model
from retrieval.verify import judge as verified
from vouch import __version__
from vouch.catalog.blobs import Blobs
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.entail import load_entailer
from vouch.gateway.gateway import Gateway
from vouch.gateway.model_file import EXTRACTIVE
from vouch.gateway.rerank import load_reranker

ANSWERS = ("clapnq", "xquad", "chunk-spans", "handbook", "conflicts")
GROUNDEDNESS = groundedness.SETS


@dataclass(frozen=True, slots=True)
class SetResult:
    """What one profile found on one set. ``ranked``: see :func:`evals.ranked.put`; ``choices``: all that decided it."""

    profile: Profile
    choices: Json
    chunks: int
    rejected: tuple[str, ...]
    ranked: tuple[Ranked, ...]


@dataclass(frozen=True, slots=True)
class SearchReport:
    """One set, by every profile that was asked for."""

    data: RetrievalSet
    results: tuple[SetResult, ...]

    @property
    def name(self) -> str:
        return self.data.name


Report = SearchReport | AnswerReport | HandbookReport | GuardReport | ReuseReport | GroundednessReport


def run_search(
    data: RetrievalSet, profiles: Sequence[Profile], settings: Settings, *, limit: int | None = None
) -> SearchReport:
    """``data`` by every profile; those that embed and cut alike share one index.

    ``limit`` takes the first questions only. Raises what embedding and reading raise, and :class:`BadConfig`.
    """
    results: dict[str, SetResult] = {}
    for built, alike in _alike(profiles, settings).items():
        embedder = evaluation_embedder(alike[0].settings(settings))
        with searchable(data.documents, embedder, built[-1]) as found:
            for one in alike:
                reranker = load_reranker(one.settings(settings))
                results[one.name] = SetResult(
                    profile=one,
                    choices=one.choices(settings, embedder.name),
                    chunks=len(found.sections),
                    rejected=found.rejected,
                    ranked=ranked.put(data, search(found, data, one.mode, reranker), limit=limit),
                )
    return SearchReport(data, tuple(results[one.name] for one in profiles))


def run_answers(
    name: str,
    settings: Settings,
    *,
    data: Path | None = None,
    limit: int | None = None,
    model: str | None = None,
    judge: Judge = verified,
) -> AnswerReport | HandbookReport:
    """Answers and abstentions on one of :data:`ANSWERS`; ``data`` is the evaluation folder, ``model`` who writes them
    (None: the embedded answerer), ``judge`` says what citations support.

    Raises :class:`InvalidInput` on another name, :class:`BadConfig` without data.
    """
    folder, plain = datasets.data_folder(data), load_embedder(_in_cache(settings))
    embedder = CachedEmbedder(plain, cache_folder())
    with TemporaryDirectory() as blobs, _writer(model, settings, plain) as writer:
        answering = Walk(writer, plain, Blobs(blobs)), judge
        if name == "handbook":
            return handbook_answers.run(folder, embedder, answering, limit=limit)
        return answers.run(name, folder, embedder, answering, limit=limit)


def answer_choices(settings: Settings, model: str | None) -> Json:
    """All that decides what answers a run has."""
    threshold = None if model else load_extract_model().threshold
    return {"vouch": __version__, "writer": model or EXTRACTIVE, "embedder": settings.embed_model, "below": threshold}


@contextmanager
def _writer(model: str | None, settings: Settings, embedder: Embedder) -> Iterator[Writer]:
    if model is None or model == EXTRACTIVE:
        yield extractive(embedder)
        return
    gateway = Gateway.open(settings)
    try:
        yield by_model(gateway, model, settings.ask_deadline_s)
    finally:
        gateway.close()


def run_reuse(settings: Settings, *, data: Path | None = None, limit: int | None = None) -> ReuseReport:
    """Which questions share an answer. Raises :class:`BadConfig` without data."""
    return reuse.run(datasets.data_folder(data), evaluation_embedder(settings), limit=limit)


def run_groundedness(
    name: str, settings: Settings, *, data: Path | None = None, limit: int | None = None
) -> GroundednessReport:
    """Whether the configured entailer sees what a text does not support, on one of :data:`GROUNDEDNESS`.

    Raises :class:`InvalidInput` on another name, and :class:`BadConfig` without data or without an entailer.
    """
    folder, entailer = datasets.data_folder(data), load_entailer(settings)
    if entailer is None:
        raise BadConfig("there is no entailer to measure: VOUCH_ENTAILMENT is none", field="entailment")
    return groundedness.run(name, folder, entailer, limit=limit)


def evaluation_embedder(settings: Settings) -> Embedder:
    """The configured embedder behind the evaluation's cache; its converted graph lives in the cache folder too."""
    return CachedEmbedder(load_embedder(_in_cache(settings)), cache_folder())


def figures(report: Report) -> dict[str, float]:
    """Every figure of a report by its dotted name, as `gates.toml` writes it."""
    if isinstance(report, SearchReport):
        return dict(_search_figures(report))
    if isinstance(report, GuardReport | ReuseReport | GroundednessReport):
        return report.figures()
    prefix = f"answers.{report.name}"
    parts = judged_means(report.ranked)
    if isinstance(report, HandbookReport):
        parts |= {name: getattr(report, name) for name in ("answered", "cites_page", "wrongly_answered")}
    return {f"{prefix}.{name}": value for name, value in parts.items()}


def to_json(report: Report) -> Json:
    """The report as JSON, its figures by name beside it; without single questions and texts, which a run keeps."""
    if isinstance(report, SearchReport):
        first = report.results[0]
        body: Json = {
            "name": report.name,
            "documents": len(report.data.documents) - len(first.rejected),
            "rejected": list(first.rejected),
            "chunks": {one.profile.name: one.chunks for one in report.results},
        }
    elif isinstance(report, GuardReport | ReuseReport | GroundednessReport):
        body = asdict(report)
    else:
        kept = replace(report, ranked=Ranked(report.name, ()), documents=())
        body = {name: value for name, value in asdict(kept).items() if name not in ("ranked", "documents")}
        body["items"] = len(report.ranked.asked)
    return {**body, "figures": figures(report)}


def kept(report: AnswerReport | HandbookReport, choices: Json) -> tuple[RetrievalSet, SetResult]:
    """Answers as a run takes them."""
    data = RetrievalSet(report.name, report.documents, {}, {})
    return data, SetResult(Profile("answers"), choices, chunks=0, rejected=(), ranked=(report.ranked,))


def _in_cache(settings: Settings) -> Settings:
    """With the cache's folder for the model's converted graph."""
    return settings.model_copy(update={"data_dir": cache_folder()})


def _alike(profiles: Sequence[Profile], settings: Settings) -> dict[tuple[str, str, ChunkSize], list[Profile]]:
    found: dict[tuple[str, str, ChunkSize], list[Profile]] = {}
    for one in profiles:
        its = one.settings(settings)
        found.setdefault((its.embed_model, its.embed_runtime, one.chunk), []).append(one)
    return found


def _search_figures(report: SearchReport) -> Iterator[tuple[str, float]]:
    variants = range(len(report.results[0].ranked))
    for variant in variants:
        for result in report.results:
            its = result.ranked[variant]
            for measure, value in its.means.items():
                yield f"search.{its.name}.{result.profile.name}.{measure}", value
