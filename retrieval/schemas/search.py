"""What a search answers with over HTTP."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from retrieval import types
from retrieval.highlight import Marked
from retrieval.pipeline import Results
from retrieval.schemas.responses import Freshness, Span
from retrieval.types import Hit


class Scores(BaseModel):
    dense: float | None
    lexical: float | None
    fused: float
    rerank: float | None


class SearchHit(BaseModel):
    document_id: str
    external_id: str
    version: int
    source_id: str
    title: str
    uri: str
    span: Span
    text: str
    place: str = Field(description="Where in the document, for people: a page, a sheet, a heading.")
    heading_path: list[str]
    score: float
    scores: Scores
    freshness: Freshness
    demoted: types.Demoted | None = Field(
        None, description="Set where the passage stands lower than its score says, and the state for which it does."
    )
    highlights: list[Span] = Field(
        description="Where in `text` the query's words stand, by stem, and its phrases: offsets into `text` itself."
    )
    snippet: Span = Field(description="The part of `text` to show where there is no room for all of it.")

    @classmethod
    def of(cls, hit: Hit, marked: Marked) -> Self:
        scores = hit.scores
        return cls(
            document_id=hit.document_id,
            external_id=hit.external_id,
            version=hit.version,
            source_id=hit.source_id,
            title=hit.title,
            uri=hit.uri,
            span=Span(start=hit.span.start, end=hit.span.end),
            text=hit.text,
            place=hit.place,
            heading_path=list(hit.heading_path),
            score=hit.score,
            scores=Scores(dense=scores.dense, lexical=scores.lexical, fused=scores.fused, rerank=scores.rerank),
            freshness=Freshness.of(hit.freshness),
            demoted=hit.demoted,
            highlights=[Span(start=one.start, end=one.end) for one in marked.highlights],
            snippet=Span(start=marked.snippet.start, end=marked.snippet.end),
        )


class FacetValue(BaseModel):
    value: str = Field(description="What the filter of the facet's name takes: `source:…`, `type:…`.")
    name: str | None = Field(None, description="Of a source: what people call it.")
    documents: int


class Matched(BaseModel):
    """The documents that fit and that you may read."""

    documents: int
    exact: bool = Field(description="False: there may be more of them than were counted.")


class ReadAs(BaseModel):
    typed: str
    instead: str = Field(description="A word of the hits, one slip of the keyboard away.")


class SearchResponse(BaseModel):
    hits: list[SearchHit]
    matched: Matched | None = Field(None, description="Only where facets were asked for.")
    facets: dict[types.Facet, list[FacetValue]] | None = Field(
        None, description="How many of the matched documents have each value, the most frequent first; at most 50."
    )
    read_as: list[ReadAs] = Field(
        default=[], description="Words of the query that no passage had, and what was searched for instead."
    )
    trace_id: str

    @classmethod
    def of(cls, found: Results) -> Self:
        hits = [SearchHit.of(hit, marked) for hit, marked in zip(found.hits, found.marked, strict=True)]
        read_as = [ReadAs(typed=one.typed, instead=one.instead) for one in found.read]
        if found.matched is None:
            return cls(hits=hits, read_as=read_as, trace_id=found.trace_id)
        facets = {
            facet: [FacetValue(value=one.value, name=one.name, documents=one.documents) for one in counts]
            for facet, counts in found.matched.facets.items()
        }
        matched = Matched(documents=found.matched.documents, exact=found.matched.exact)
        return cls(hits=hits, matched=matched, facets=facets, read_as=read_as, trace_id=found.trace_id)
