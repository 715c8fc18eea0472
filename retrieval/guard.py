"""The two guards: what may come in as a question, and what may go out as prose that a model wrote."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import replace
from html import unescape
from typing import Literal

from retrieval.leaks import private, recites, smuggles, tells
from retrieval.prompts import ANSWER, REPAIR, prompt
from retrieval.types import Claim, Draft, Evidence, Question, Rejection, Suspected, Verified
from vouch.core.errors import EmptyQuestion, InvalidInput, QuestionTooLong
from vouch.core.sentences import sentences
from vouch.core.types import Span
from vouch.gateway.privacy.kinds import Kind

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


_NOBODY = Draft((), 0.0, "")
_WITHHELD = "(withheld)"
_IMAGE_OR_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|!?\[([^\]]*)\]\[[^\]]*\]")
_HALF_LINK = re.compile(r"!(?=\[)|(?<=\])(?=[\[(])")
"""Where what is left of links, whose brackets do not match, might make one again."""
_REFERENCE = re.compile(r"^\s*\[[^\]]+\]:.*$", re.MULTILINE)
_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\](?!\()")
_TAG = re.compile(r"</?[A-Za-z!][^>]*>")
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{0,20}:|(?<!:))//\S+"
    r"|\b(?:www\.|(?:mailto|data|javascript|vbscript|tel|sms|file|blob|cid|view-source):)\S+"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?:[\w-]{1,63}\.){1,8}(?:com|org|net|info|biz|io|co|xyz|dev|app|ai|site|online|top|club|shop|link|click|live|pro|cc"
    r"|tv|gov|edu|zip|icu|gg|ly|cloud|website|tech|mobi|ru|cn|de|uk|fr|eu|nl|es|pl|br|jp|au|ch|se|fi|kr|tw|hk|sg|tr|ir|ua"
    r"|cz|gr|pt|ro|hu|ie|nz|za|mx|cl|example|test)\b(?:[/:?#]\S*)?",
    re.IGNORECASE,
)
"""Whatever a client might make a link of: URLs, also without a scheme, addresses of mail, names of hosts."""
_WORD = re.compile(r"\w+")
_SENTENCE = 4
"""Words of a sentence, at least, that a claim's own words give way to."""
_FORMATTING = re.compile(r"[`*_~|<>#]+")


def guard_output(verified: Verified, draft: Draft = _NOBODY, refused: Collection[Kind] = ()) -> Verified:
    """Claims that may be shown. A claim that is nothing but its quotes is the document's own text and stays as it is,
    character for character; another's prose is made inert, and gives way to its quotes where it says an address, or
    rests on words that read as if they were meant for a model, and where it says a whole sentence of them.

    Refused are a claim of which nothing is left, one that leaks (a secret that its quotes do not have, a piece of the
    instructions), one with something of the kinds ``refused``, and all of them if one tells the canary.
    """
    if any(tells(one.text, draft.canary) for one in verified.claims) or any(
        tells(one.claim, draft.canary) for one in verified.rejected
    ):
        every = (*verified.claims, *verified.rejected)
        return Verified((), tuple(Rejection(_WITHHELD, None, "leaked") for _ in every))
    claims: dict[tuple[str, tuple[Evidence, ...]], Claim] = {}
    rejections: list[Rejection] = []
    for claim in verified.claims:
        quotes = [evidence.text for evidence in claim.evidence]
        text = _shown(claim, quotes, draft.suspected)
        if reason := _amiss(text, quotes, refused, draft.prompt or ANSWER):
            rejections.append(Rejection(claim.text if reason == "unsupported" else _WITHHELD, None, reason))
        else:
            shown = replace(claim, text=text)
            if shown.verbatim and not claim.verbatim:  # what was told of its words does not hold of the document's
                shown = replace(shown, verdict="supported", score=1.0)
            claims.setdefault((text, claim.evidence), shown)
    return Verified(tuple(claims.values()), (*verified.rejected, *rejections))


def _shown(claim: Claim, quotes: list[str], suspected: Collection[Suspected]) -> str:
    text = claim.text if claim.verbatim else inert(claim.text, quotes)
    if text and (_rests_on(claim, suspected) or _ADDRESS.search(text) or _repeats(claim, text)):
        return " ".join(quotes)
    return text


def _repeats(claim: Claim, text: str) -> bool:
    """Whether ``text`` says a whole sentence that it quotes and something around it. What is the document's is shown as
    the document's: so are orders to readers that stand in it, when nobody took them for any."""
    said = f" {_plain(text)} "
    whole = (_plain(span.of(one.passage.text)) for one in claim.evidence for span in _whole(one))
    return any(f" {words} " in said for words in whole if words.count(" ") >= _SENTENCE - 1)


def _whole(one: Evidence) -> Iterator[Span]:
    """The sentences of the passage that are quoted to their ends."""
    start, end = (at - one.passage.span.start for at in (one.span.start, one.span.end))
    return (span for span in sentences(one.passage.text) if start <= span.start and span.end <= end)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _rests_on(claim: Claim, suspected: Collection[Suspected]) -> bool:
    return any(
        one.passage == evidence.passage.n and one.span.start < evidence.span.end and evidence.span.start < one.span.end
        for evidence in claim.evidence
        for one in suspected
    )


def _amiss(
    text: str, quotes: list[str], refused: Collection[Kind], version: str
) -> Literal["unsupported", "leaked", "private"] | None:
    if not text:
        return "unsupported"
    if text != " ".join(quotes) and (
        smuggles(text, quotes) or any(recites(text, prompt(one), quotes) for one in (version, REPAIR))
    ):
        return "leaked"
    return "private" if private([text, *quotes], refused) else None


def inert(prose: str, quotes: list[str]) -> str:
    """A model's sentence as plain text: no markup, no image, no link, no citation mark of its own making.

    An address stays only where a quote of the claim has it too, so a link leads nowhere a document does not.
    """
    text = clean(unescape(unescape(prose)))
    text = _MARKER.sub("", _REFERENCE.sub("", text))
    text = _TAG.sub("", _IMAGE_OR_LINK.sub(lambda m: m[1] or m[2] or "", text))
    text = _ADDRESS.sub(lambda m: m[0] if any(m[0].rstrip(".,;)") in quote for quote in quotes) else "", text)
    text = _HALF_LINK.sub(" ", text)
    kept = {mark for quote in quotes for mark in _FORMATTING.findall(quote)}
    text = _FORMATTING.sub(lambda m: m[0] if m[0] in kept else "", text)
    return _SPACES.sub(" ", text).strip()
