"""Chat models that write an answer from passages: what is asked, what comes back, and the door to them.

The reply is a draft: its citations are claims of the model's, verified by whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from pydantic import Field

from vouch.core.data_class import UNCLASSIFIED


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage as the model sees it. ``id`` is what it cites; ``state`` is of its freshness, ``note`` a word of ours
    on its text. What there is nothing to say of is empty."""

    id: str
    title: str
    text: str
    place: str = ""
    modified_at: str = ""
    owner: str = ""
    state: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FailedClaim:
    """A claim of an earlier draft that its quotes do not bear out, and why, in the word of its rejection."""

    text: str
    quotes: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """A question, the passages that may answer it, best first, and the text of a versioned prompt file. ``failed``:
    what is to be written again. ``data_classes``: those of the passages, which no model is told."""

    question: str
    passages: tuple[PassageText, ...]
    system_prompt: str
    failed: tuple[FailedClaim, ...] = ()
    data_classes: frozenset[str] = frozenset((UNCLASSIFIED,))


@dataclass(frozen=True, slots=True)
class DraftCitation:
    """Words that the model says stand in a passage. Nothing about either is checked yet."""

    passage: Annotated[str, Field(description="The id of the passage that holds the quote.")]
    quote: Annotated[
        str, Field(min_length=1, description="Words copied from that passage's text, character for character.")
    ]


@dataclass(frozen=True, slots=True)
class DraftClaim:
    text: Annotated[str, Field(min_length=1, description="One sentence of the answer that states one thing.")]
    citations: Annotated[
        tuple[DraftCitation, ...], Field(description="One or more quotes that, together, state what the sentence says.")
    ]


@dataclass(frozen=True, slots=True)
class Draft:
    """The model's output. Field descriptions are part of what the model reads."""

    claims: Annotated[
        tuple[DraftClaim, ...], Field(description="The answer, in order; empty if `insufficient` is true.")
    ]
    insufficient: Annotated[bool, Field(description="True when the passages do not answer the question.")]
    missing: Annotated[
        str | None, Field(description="What the passages lack, said in the question's own terms; null if nothing.")
    ] = None

    def __post_init__(self) -> None:
        if not self.claims and not self.insufficient:
            raise ValueError("give at least one claim, or set `insufficient` to true")


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """Tokens and HTTP requests of one reply, retries included; 0 tokens where the server does not count."""

    input_tokens: int
    output_tokens: int
    requests: int


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A draft, the model's name as the server gives it, what it cost, and how many values of each kind it was not
    shown."""

    draft: Draft
    model: str
    usage: ChatUsage
    masked: Mapping[str, int] = field(default_factory=dict)


Hear = Callable[[DraftClaim], None]
"""Told each claim of a draft once the model has written it to its end, in order, in the thread that asked. What it
raises ends the call."""


class ChatModel(Protocol):
    """Writes drafts. Implementations may be shared by threads; ``write`` is called outside any event loop.

    Asked through :class:`vouch.gateway.gateway.Gateway`, by the name that the file of models gives it.
    """

    @property
    def name(self) -> str: ...

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        """One draft, by one try; with ``hear``, told of as it is written.

        Raises:
            ModelUnavailable: ``extra["reason"]`` is one of ``timeout``, ``unreachable``, ``rate_limited``,
                ``too_long``, ``refused``, ``server_error`` and ``malformed``.
            ModelWithheld: it may not be sent what it would have to be.
        """
