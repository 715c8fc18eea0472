"""The two guards: what may come in as a question, and what may go out as prose that a model wrote."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from retrieval.types import Claim, Question, Rejection, Verified
from vouch.core.errors import EmptyQuestion, InvalidInput, QuestionTooLong

MAX_QUESTION = 4_000
MAX_LIMIT = 100
MAX_CONVERSATION_ID = 128

_SPACES = re.compile(r"\s+")


def guard_input(question: Question, *, field: str) -> Question:
    """The question with its text cleaned. ``field`` names the text in the request's words.

    Raises :class:`EmptyQuestion`, :class:`QuestionTooLong`, :class:`InvalidInput` for a limit out of range.
    """
    if len(question.text) > MAX_QUESTION:
        raise QuestionTooLong(f"A question has at most {MAX_QUESTION:,} characters.", field=field)
    text = _SPACES.sub(" ", clean(question.text)).strip()
    if not text and question.like is None:
        raise EmptyQuestion("Ask something: there is no visible character.", field=field)
    if len(text) > MAX_QUESTION:  # normalisation may lengthen
        raise QuestionTooLong(f"A question has at most {MAX_QUESTION:,} characters.", field=field)
    if not 1 <= question.limit <= MAX_LIMIT:
        raise InvalidInput(f"A limit is 1 to {MAX_LIMIT}.", field="limit")
    return replace(question, text=text)


def clean(text: str) -> str:
    """NFC, without the characters people cannot see: controls (but tab and newline), bidi marks, zero widths,
    unpaired surrogates. They hide words from readers and not from models."""
    visible = "".join(c for c in text if c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return unicodedata.normalize("NFC", visible)


_IMAGE_OR_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|!?\[([^\]]*)\]\[[^\]]*\]")
_REFERENCE = re.compile(r"^\s*\[[^\]]+\]:.*$", re.MULTILINE)
_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\](?!\()")
_TAG = re.compile(r"</?[A-Za-z!][^>]*>")
_URL = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|data:|javascript:)\S+", re.IGNORECASE)
_FORMATTING = re.compile(r"[`*_~|<>#]+")


def guard_output(verified: Verified) -> Verified:
    """Claims with their prose made inert. A claim of which nothing is left is refused.

    A claim that is nothing but its quotes stays as it is: it is the document's own text, character for character.
    """
    claims: list[Claim] = []
    refused: list[Rejection] = []
    for claim in verified.claims:
        quotes = [evidence.text for evidence in claim.evidence]
        text = claim.text if claim.verbatim else inert(claim.text, quotes)
        if text:
            claims.append(replace(claim, text=text))
        else:
            refused.append(Rejection(claim.text, None, "unsupported"))
    return Verified(tuple(claims), (*verified.rejected, *refused))


def inert(prose: str, quotes: list[str]) -> str:
    """A model's sentence as plain text: no markup, no image, no link, no citation mark of its own making.

    An address stays only where a quote of the claim has it too, so a link leads nowhere a document does not.
    """
    text = _MARKER.sub("", _REFERENCE.sub("", clean(prose)))
    text = _TAG.sub("", _IMAGE_OR_LINK.sub(lambda m: m[1] or m[2] or "", text))
    text = _URL.sub(lambda m: m[0] if any(m[0].rstrip(".,;)") in quote for quote in quotes) else "", text)
    kept = {mark for quote in quotes for mark in _FORMATTING.findall(quote)}
    text = _FORMATTING.sub(lambda m: m[0] if m[0] in kept else "", text)
    return _SPACES.sub(" ", text).strip()
