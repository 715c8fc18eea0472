"""What a reranker costs: fifty candidates of two hundred tokens, beside embedding the question in the same run.

The candidates are runs of words of the Sourcegraph handbook, fifty to a page of results, the questions its link texts;
none is met twice. The rerankers are those that need no weights of their own; vectors, which one of them goes by, are
made up. What fetching those from the catalog costs is not in it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from evals.bench.report import Report
from evals.datasets import RawDocument, data_folder
from evals.embedding_cache import cache_folder
from evals.sets import handbook_links
from vouch.core.context import in_context
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.rerank import LexicalReranker, Readable, Reranker
from vouch.gateway.rerank_document import DocumentReranker

SEED = 7
CANDIDATES = 50
TOKENS = 200
WITHIN_MS = 150.0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=40, help="questions put to each reranker (default 40)")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """The document reranker must stay within :data:`WITHIN_MS`; the lexical one stands beside it."""
    data, rounds = handbook_links(data_folder()), arguments.rounds
    embedder = load_embedder(Settings(data_dir=cache_folder()))
    readables = list(islice(candidates(data.documents, embedder), CANDIDATES * rounds))
    rng = random.Random(SEED)  # noqa: S311
    rng.shuffle(readables)
    questions = rng.sample(sorted(data.queries.values()), rounds)
    pages = [readables[n * CANDIDATES : (n + 1) * CANDIDATES] for n in range(rounds)]
    embedder.embed(questions[:3])  # the first call of a runtime is slower than any other
    embedding = [milliseconds(embedder.embed, [question]) for question in questions]
    report.add("embedding the question, p50", float(np.percentile(embedding, 50)), "ms")
    rerankers: tuple[tuple[str, Reranker, float | None], ...] = (
        ("document", DocumentReranker(), WITHIN_MS),
        ("lexical", LexicalReranker(), None),
    )
    for name, reranker, most in rerankers:
        took = [milliseconds(reranker.rerank, *page) for page in zip(questions, pages, strict=True)]
        p50, p95 = np.percentile(took, [50, 95])
        report.add(f"{name} reranker, {CANDIDATES} candidates of {TOKENS} tokens, p50", float(p50), "ms", at_most=most)
        report.add(f"{name} reranker, p95", float(p95), "ms")
        report.add(f"{name} reranker ÷ embedding the question, p50", float(p50 / np.percentile(embedding, 50)), "")


def candidates(pages: Sequence[RawDocument], embedder: Embedder) -> Iterator[Readable]:
    """Runs of words of the pages, each of :data:`TOKENS` or a few less, with the page's title."""
    rng = np.random.default_rng(SEED)
    special = embedder.count_tokens([""])[0]
    for page in pages:
        words = page.data.decode().split()
        ends = np.cumsum([count - special for count in embedder.count_tokens(words)]) // TOKENS
        for run in range(int(ends[-1]) if words else 0):  # what is left after the last full one is too short
            text = " ".join(word for word, end in zip(words, ends, strict=True) if end == run)
            vector = rng.standard_normal(embedder.dimensions).astype(np.float32)
            vector /= np.linalg.norm(vector)
            yield Readable(in_context(page.title, (), text), page.title, page.id, 1 / (2 + run), vector)


def milliseconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return 1000 * (time.perf_counter() - started)
