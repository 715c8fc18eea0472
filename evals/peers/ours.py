"""Vouch as it stands beside the peers: its parser, chunker, index and fusion, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from evals.datasets import RawDocument
from evals.peers.wire import Found, best_first
from evals.search import Searchable, searchable
from retrieval.fuse import fuse
from retrieval.rerank import DEPTH as RERANKED
from vouch.core.context import in_context
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import LexicalReranker

HYBRID, RERANKING = "vouch", "vouch + reranker"
"""As it comes, and with the lexical reranker that can be switched on."""


@dataclass(frozen=True, slots=True)
class Ours:
    found: Searchable

    def search(self, query: str, limit: int, *, rerank: bool = False) -> Found:
        fused = [((one.document_id, one.ordinal), one.scores.fused) for one in fuse(self.found.hits(query))]
        if rerank and fused:
            fused = self._reranked(query, fused)
        return best_first(((document, score) for (document, _), score in fused), limit)

    def _reranked(
        self, query: str, ranking: list[tuple[tuple[str, int], float]]
    ) -> list[tuple[tuple[str, int], float]]:
        head, tail = ranking[:RERANKED], ranking[RERANKED:]
        sections = [self.found.sections[key] for key, _ in head]
        texts = [in_context(one.title, one.headings, one.text) for one in sections]
        scores = LexicalReranker().rerank(query, texts)
        again = sorted(zip(head, scores, strict=True), key=lambda pair: -pair[1])
        return [(key, score) for (key, _), score in again] + tail


@contextmanager
def ours(documents: Sequence[RawDocument], embedder: Embedder) -> Iterator[Ours]:
    with searchable(documents, embedder) as found:
        yield Ours(found)
