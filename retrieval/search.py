"""Ask the index, in both arms, for what gate 1 lets through."""

from __future__ import annotations

from dataclasses import dataclass

from acl.compile import compile_filter
from acl.resolve import Access
from retrieval.services import Services
from retrieval.types import Question
from vouch.core.types import IndexHits, IndexQuery
from vouch.index.lexical import query_vector


@dataclass(frozen=True, slots=True)
class Found:
    """The two rankings. ``exhausted``: a deeper search would find nothing more."""

    hits: IndexHits
    exhausted: bool


def search(services: Services, access: Access, query: str, question: Question, depth: int) -> Found:
    """At most ``depth`` chunks per arm. Raises what the index and the embedder raise."""
    dense = services.query_vectors.of(access.tenant, query) if question.mode != "lexical" else None
    lexical = query_vector(query) if question.mode != "dense" else None
    hits = services.index.search(IndexQuery(dense, lexical or None, depth, question.where), compile_filter(access))
    return Found(hits, max(len(hits.dense), len(hits.lexical)) < depth)
