"""Ask the index, in both arms, for what gate 1 lets through."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from acl.compile import compile_filter
from acl.resolve import Access
from retrieval.services import Services
from retrieval.types import Question
from vouch.core.types import IndexHits, IndexQuery
from vouch.index.lexical import analysis_named


@dataclass(frozen=True, slots=True)
class Found:
    """The two rankings, each of at most ``depth``."""

    hits: IndexHits
    depth: int

    @property
    def exhausted(self) -> bool:
        """A deeper search would find nothing more."""
        return max(len(self.hits.dense), len(self.hits.lexical)) < self.depth

    def lacks(self, depth: int, without: Collection[str]) -> bool:
        """Whether only a deeper search can give every arm the ``depth`` hits that it has besides ``without``."""
        arms = (self.hits.dense, self.hits.lexical)
        return any(
            len(arm) == self.depth and sum(hit.document_id not in without for hit in arm) < depth for arm in arms
        )

    def reaches(self, depth: int, without: Collection[str]) -> bool:
        """Whether an arm has ``depth`` hits besides ``without``, so that there may be more of it than were counted."""
        return any(
            sum(hit.document_id not in without for hit in arm) >= depth for arm in (self.hits.dense, self.hits.lexical)
        )


def search(services: Services, access: Access, query: str, question: Question, depth: int) -> Found:
    """At most ``depth`` chunks per arm, of the generation that ``services`` are pinned to. Raises what the index and
    the embedder raise."""
    dense = services.query_vectors.of(access.tenant, query) if question.mode != "lexical" else None
    lexical = analysis_named(services.recipe.lexical).query(query) if question.mode != "dense" else None
    return look(services, access, IndexQuery(dense, lexical or None, depth, question.where))


def look(services: Services, access: Access, query: IndexQuery) -> Found:
    """What the index has for a query that is vectors already."""
    return Found(services.index.search(query, compile_filter(access)), query.limit)
