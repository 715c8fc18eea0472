"""The public sets that searches are measured on: one registry, name → loader.

Each is read from the evaluation folder as its README describes it. EnterpriseBench has no judged questions, so it is
no set here. A folder of one's own in BEIR's layout is read by `evals/beir.py` alone. A company's own set (`evals/own/`)
has no documents: its questions are put to the platform that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from evals import beir
from evals.datasets import RawDocument, RetrievalSet, data_folder, json_lines
from evals.own import folder as own
from vouch.core.errors import InvalidInput

HANDBOOK = "handbook-sourcegraph"


def handbook_links(data: Path) -> RetrievalSet:
    """The Sourcegraph handbook's 883 pages and 1,048 link texts, the linked page being the relevant one."""
    folder = data / HANDBOOK
    rows = list(json_lines(folder / "queries_links.jsonl"))
    sources = {row["_id"]: frozenset(row["metadata"]["source_pages"]) for row in rows}
    return _handbook(data, "handbook", "links", sources)


def handbook_questions(data: Path) -> RetrievalSet:
    """The handbook and KITE's 10 real questions."""
    return _handbook(data, "handbook-questions", "kite", {})


def handbook_pages(data: Path) -> tuple[RawDocument, ...]:
    folder = data / HANDBOOK
    rows = json_lines(folder / "manifest.jsonl")
    return tuple(
        RawDocument(row["path"], row["path"], row["title"], (folder / "files" / row["path"]).read_bytes())
        for row in rows
    )


def sec_10q(data: Path) -> RetrievalSet:
    """Twelve quarterly reports as PDF and 116 questions, judged by document: which company, and which quarter."""
    folder = data / "sec-10q"
    files = sorted(path for path in (folder / "files").iterdir() if path.is_file())
    documents = tuple(RawDocument(path.name, path.name, "", path.read_bytes()) for path in files)
    questions = beir.queries(folder)
    return RetrievalSet(
        "sec-10q", documents, questions, beir.qrels(folder, questions, {document.id: 1 for document in documents})
    )


def paragraphs(language: str, data: Path) -> RetrievalSet:
    """XQuAD in one language: 240 paragraphs as documents, 1,190 questions. That a passage holds the few words of the
    answer says nothing of how well it was cut, so they are no evidence here."""
    return replace(beir.load(data / "xquad-multilingual" / language, f"xquad-{language}"), evidence={})


def _in_beir_layout(folder: str, name: str, data: Path) -> RetrievalSet:
    return beir.load(data / folder, name)


def _handbook(data: Path, name: str, kind: str, sources: dict[str, frozenset[str]]) -> RetrievalSet:
    folder, pages = data / HANDBOOK, handbook_pages(data)
    questions = beir.queries(folder, f"queries_{kind}.jsonl")
    judged = beir.qrels(folder, questions, {page.id: 1 for page in pages}, f"qrels_{kind}.tsv")
    return RetrievalSet(name, pages, questions, judged, sources)


SETS: dict[str, Callable[[Path], RetrievalSet]] = {
    "scifact": partial(_in_beir_layout, "scifact", "scifact"),
    "cranfield": partial(_in_beir_layout, "cranfield", "cranfield"),
    "handbook": handbook_links,
    "handbook-questions": handbook_questions,
    "sec-10q": sec_10q,
    **{f"xquad-{language}": partial(paragraphs, language) for language in ("en", "de", "es", "zh")},
    "chunk-spans": partial(_in_beir_layout, "chunk-spans", "chunk-spans"),
}
"""SciFact: 5,183 abstracts, BEIR's 300 test claims. Cranfield: 1,400 abstracts, 225 questions. chunk-spans: 5 long
texts, 472 questions with the spans that answer them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Sets to search, by name. ``answers``: the evaluation folder, where sets of answers are to be had too.
    ``own``: the folder of a set that is put to the platform that runs."""

    names: tuple[str, ...]
    load: Callable[[str], RetrievalSet]
    answers: Path | None = None
    own: Path | None = None


def load(name: str, data: Path | None = None) -> RetrievalSet:
    """A public set. ``data`` is the evaluation folder.

    Raises :class:`InvalidInput` on another name, :class:`BadConfig` without data, :class:`BadEvalSet` on bad data.
    """
    if name not in SETS:
        raise InvalidInput(f"{name!r} is not one of {', '.join(SETS)}", field="set")
    return SETS[name](data_folder(data))


def source(given: str | None) -> Source:
    """What ``--data`` means: a public set's name, a folder in BEIR's layout, the evaluation folder (unset: the usual).

    Raises :class:`InvalidInput` for what is none of them, :class:`BadConfig` without data.
    """
    if given in SETS:
        return Source((given,), load)
    folder = data_folder() if given is None else Path(given)
    if not folder.is_dir():
        raise InvalidInput(f"{given!r} is neither a folder nor one of {', '.join(SETS)}", field="data")
    if own.is_own(folder):
        return Source((folder.resolve().name,), lambda _: own.load(folder), own=folder)
    if beir.is_set(folder):
        name = folder.resolve().name
        return Source((name,), lambda name: beir.load(folder, name))
    return Source(tuple(SETS), lambda name: load(name, folder), folder)
