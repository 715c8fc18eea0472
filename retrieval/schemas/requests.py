"""What is asked over HTTP. A request refuses what it does not know."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from retrieval import types
from retrieval.guard import MAX_CONVERSATION_ID, MAX_LIMIT, clean
from retrieval.pack import PASSAGES
from retrieval.review import Verdict
from retrieval.types import Question
from vouch.core.clock import utc
from vouch.core.errors import InvalidInput
from vouch.core.types import Json, SearchFilter

MAX_COMMENT = 2_000
WORKFLOWS = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Names that an application gives to what it asks for."""


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _visible(value: str) -> str:
    if value != clean(value) or not value.strip():
        raise ValueError("holds characters that cannot be seen, or none that can")
    return value


Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_visible)]
Names = Annotated[list[Name], Field(max_length=100), BeforeValidator(_one_or_more)]
Time = Annotated[AwareDatetime, AfterValidator(utc)]
Syntax = Literal["query", "plain"]
SYNTAX = "`plain`: the text is words and nothing else, quotes, dashes and colons too."


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(body: Json) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class Filter(_Request):
    """Narrows what is searched. Each list is an *or*, together they are an *and*."""

    source: Names = Field([], description="Source ids.")
    mime: Names = Field([], description="Media types.")
    language: Names = Field([], description="Language codes.")
    owner: Names = Field([], description="Owners, such as `user:carol`.")
    modified_after: Time | None = None
    modified_before: Time | None = None

    def where(self) -> SearchFilter:
        return SearchFilter(
            source=tuple(self.source),
            mime=tuple(self.mime),
            language=tuple(self.language),
            owner=tuple(self.owner),
            modified_after=self.modified_after,
            modified_before=self.modified_before,
        )


class Like(_Request):
    """A document that you may read: what is found is to be like it."""

    document_id: Name


class SearchRequest(_Request):
    model_config = _example(
        {
            "query": '"parental leave" -draft type:md after:2025',
            "limit": 5,
            "mode": "hybrid",
            "filter": {"language": ["en"], "modified_after": "2025-01-01T00:00:00Z"},
            "facets": ["source", "year"],
        }
    )

    query: str = Field(
        "",
        description='Words, `"phrases"`, `-words` left out and filters such as `type:pdf`; up to 4,000 characters. '
        "Not needed beside `like`.",
        examples=['"parental leave" -draft type:md after:2025'],
    )
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    mode: types.Mode = "hybrid"
    rerank: bool = True
    filter: Filter = Field(Filter(), description="Holds together with what the query says.")
    syntax: Syntax = Field("query", description=SYNTAX)
    facets: list[types.Facet] = Field([], max_length=6, description="Count the documents that fit by these.")
    like: Like | None = None

    @model_validator(mode="after")
    def _vectors(self) -> Self:
        """Likeness is a matter of vectors."""
        if self.like is not None and self.mode == "lexical":
            raise InvalidInput("Likeness goes by meaning: no lexical search tells it.", field="mode")
        return self

    def question(self) -> Question:
        return Question(
            self.query,
            self.limit,
            self.mode,
            self.rerank,
            self.filter.where(),
            plain=self.syntax == "plain",
            facets=tuple(dict.fromkeys(self.facets)),
            like=None if self.like is None else self.like.document_id,
        )


class AskRequest(_Request):
    model_config = _example({"question": "How many days of parental leave?", "conversation_id": "mine-1"})

    question: str = Field(
        description="As the query of a search; up to 4,000 characters.", examples=["How many days of parental leave?"]
    )
    conversation_id: Annotated[Name, Field(max_length=MAX_CONVERSATION_ID)] | None = Field(
        None, description="Any id of your own; a short question is then understood after the one before it."
    )
    stream: bool = Field(False, description="Answer with server-sent events.")
    limit: int = Field(
        PASSAGES, ge=1, le=MAX_LIMIT, description="Passages to write from; unless given, what the profile says."
    )
    filter: Filter = Field(Filter(), description="Holds together with what the question says.")
    syntax: Syntax = Field("query", description=SYNTAX)
    profile: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="`extractive`, `chat` or another that is configured; unset: what is released, to you."
    )
    workflow: Annotated[str, Field(pattern=WORKFLOWS)] | None = Field(
        None, description="What your application asks for, by a name of its own; routes of models go by it."
    )
    fresh: bool = Field(False, description="Written anew, whatever was answered before.")

    def as_question(self) -> Question:
        where = self.filter.where()
        plain = self.syntax == "plain"
        return Question(
            self.question,
            self.limit,
            where=where,
            conversation_id=self.conversation_id,
            plain=plain,
            workflow=self.workflow,
            limited="limit" in self.model_fields_set,
            fresh=self.fresh,
        )


class ReviewRequest(_Request):
    """``until``: a day, to its end in UTC, or a moment."""

    model_config = _example({"version": 3, "comment": "Checked against the collective agreement."})

    until: Time | date | None = Field(
        None, description="Verified until then; without it until the policy wants the document looked at again."
    )
    comment: Annotated[str, Field(max_length=MAX_COMMENT), AfterValidator(clean)] | None = Field(
        None, description="Shown to whoever may read the document."
    )
    version: int | None = Field(None, ge=1, le=2**31 - 1, description="What was read: refused if it is not current.")

    def verdict(self) -> Verdict:
        return Verdict(self.until, self.comment, self.version)


class FeedbackRequest(_Request):
    model_config = _example({"helpful": True, "comment": "Right, and quickly found."})

    helpful: bool
    comment: Annotated[str, Field(max_length=MAX_COMMENT), AfterValidator(clean)] | None = None
