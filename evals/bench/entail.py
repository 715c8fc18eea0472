"""What verifying a model's answer costs: five claims in its own words, each with a quote and what stands around it.

The passages are pieces of the Sourcegraph handbook, nine hundred characters long; a claim says a sentence of one of
them in a few words more, so rules let it through and the entailer is asked. All of :func:`retrieval.verify.verify` is
in it; the documents' texts have been read before, as they have when an answer is verified.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

from evals.bench.report import Report
from evals.bench.rerank import milliseconds
from evals.datasets import RawDocument, data_folder
from evals.embedding_cache import cache_folder
from evals.sets import handbook_links
from retrieval.entailment import entailed
from retrieval.pack import Packed
from retrieval.texts import Texts
from retrieval.types import Draft, DraftClaim, Freshness, Passage, Quote
from retrieval.verify import judge, verify
from vouch.catalog.blobs import Blobs
from vouch.core.sentences import sentences
from vouch.core.settings import Settings
from vouch.core.types import Span
from vouch.gateway.entail import load_entailer

SEED = 7
CLAIMS = 5
WORDS = (8, 40)
"""Of a sentence that becomes a claim, at least and at most."""
CHARACTERS = 900
WITHIN_MS = 80.0
TENANT = "bench"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=60, help="answers that are verified (default 60)")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """95 of 100 answers must be verified within :data:`WITHIN_MS`; rules alone stand beside it."""
    entailer = load_entailer(Settings(data_dir=cache_folder()))
    assert entailer is not None
    passages = list(pieces(handbook_links(data_folder()).documents))
    random.Random(SEED).shuffle(passages)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        texts = Texts(Blobs(folder), TENANT)
        took: dict[str, list[float]] = {"rules alone": [], "all": []}
        for n in range(arguments.rounds + 1):
            some = passages[n * CLAIMS : (n + 1) * CLAIMS]
            packed, draft = answer(some, Blobs(folder))
            held = verify(texts, draft, packed)
            entailed(entailer, held)
            if n:  # the first call of a runtime is slower than any other
                took["rules alone"].append(milliseconds(verify, texts, draft, packed))
                took["all"].append(took["rules alone"][-1] + milliseconds(entailed, entailer, held))
    for name, its in took.items():
        p50, p95 = np.percentile(its, [50, 95])
        report.add(f"verifying {CLAIMS} claims, {name}, p50", float(p50), "ms")
        at_most = WITHIN_MS if name == "all" else None
        report.add(f"verifying {CLAIMS} claims, {name}, p95", float(p95), "ms", at_most=at_most)


def pieces(pages: Sequence[RawDocument]) -> Iterator[tuple[str, Span]]:
    """Texts of about :data:`CHARACTERS`, each with a sentence that can become a claim."""
    for page in pages:
        whole = page.data.decode()
        for at in range(0, len(whole) - CHARACTERS, CHARACTERS):
            text = whole[at : at + CHARACTERS]
            fitting = [s for s in sentences(text) if WORDS[0] <= len(s.of(text).split()) <= WORDS[1]]
            if len(fitting) > 2:
                middle = fitting[len(fitting) // 2]
                if judge(said(middle.of(text)), [middle.of(text)])[0] != "unsupported":
                    yield text, middle


def said(quote: str) -> str:
    return f"It is so that {quote}"


def answer(some: Sequence[tuple[str, Span]], blobs: Blobs) -> tuple[Packed, Draft]:
    """A passage and a claim of each."""
    passages: list[Passage] = []
    claims: list[DraftClaim] = []
    digests: dict[int, str] = {}
    for n, (text, span) in enumerate(some, 1):
        digests[n] = blobs.put(TENANT, text.encode())
        fresh = Freshness("fresh", None, None)
        whole = Span(0, len(text))
        passages.append(Passage(n, str(n), str(n), 1, "", "", whole, text, (), (), 1 / n, None, fresh))
        quote = span.of(text)
        claims.append(DraftClaim(said(quote), (Quote(n, span, quote),), 1.0))
    return Packed(tuple(passages), digests, frozenset()), Draft(tuple(claims), 1.0, "bench")
