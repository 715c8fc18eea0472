"""Whether two questions ask the same. Vectors do not tell: *before* and *after*, *paid* and *unpaid*, one name and
another are near each other in them. So the words have to agree, every one that could make a difference, in their order;
what may differ is how one asks. Whatever is in doubt is another question.

    Could you tell me what the notice period is, please?      ─▶  what be notice period
    What's the notice period?                                 ─▶  what be notice period
    What's the period of notice?                              ─▶  what be period of notice    another, for all we know
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from retrieval.folding import fold
from retrieval.terms import numbers, stems

Unlike = Literal["far", "numbers", "negation", "words"]
NEAR = 0.9
"""Least cosine of two questions that ask the same: the highest that costs no hit in a hundred (``evals/reuse.py``)."""

_Instead = str | Callable[[re.Match[str]], str]


def _of(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_COURTESIES: Final = (
    _of(r"^(?:(?:hi|hello|hey|ok|okay|please)\b[ ,.!:–-]*)+"),
    _of(
        r"^(?:(?:can|could|would|will) (?:you|anyone|somebody|someone)(?: please)? (?:tell me|explain)"
        r"|(?:please )?(?:tell me|let me know)"
        r"|(?:i|we)(?:'d| would) like to know|(?:i|we) (?:want|need) to know"
        r"|(?:i am|i'm|we are|we're) (?:just )?wondering"
        r"|do you (?:happen to )?know|does (?:anyone|anybody|someone|somebody) know)[ ,:]+"
    ),
    _of(r"(?:[ ,]+(?:please|thanks|thank you))?[ ,.!?…]*$"),
)
_ALIKE: Final[tuple[tuple[re.Pattern[str], _Instead], ...]] = (
    (_of(r"\b(?:can't|cannot)\b"), "can not"),
    (_of(r"\bwon't\b"), "will not"),
    (_of(r"n't\b"), " not"),
    (_of(r"\b(what|who|where|when|how|which|that|there|it|he|she)'s\b"), r"\1 is"),
    (_of(r"'re\b"), " are"),
    (_of(r"'m\b"), " am"),
    (_of(r"'ve\b"), " have"),
    (_of(r"'ll\b"), " will"),
    (_of(r"\b(?:what|which) (?:is|are) the (?:total )?number of\b"), "how many"),
    (_of(r"\b(?:what|which) number of\b"), "how many"),
    (_of(r"^(how (?:many|much) .+?) (?:is|are) there\b"), r"\1"),
    (_of(r"^(what|who|where|when) (.+) (is|are|was|were)$"), r"\1 \3 \2"),
    (_of(r"\b(?:do|does) (i|we|you|they|he|she|it)\b"), r"\1"),
    (
        _of(r"^(in|on|at|for|during|since|until|after|before|under|within|with|without) ([^,?]{2,60}), (.+)$"),
        lambda found: f"{found[3]} {found[1].lower()} {found[2]}",
    ),
)
_ONE_FORM: Final = {
    "which": "what", "whom": "who", "is": "be", "are": "be", "am": "be", "were": "was", "does": "do", "has": "have",
}  # fmt: skip
_ARTICLES: Final = frozenset({"a", "an", "the"})
_NEGATION = _of(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|except|excluding|unless)\b|\b(?:non|un)-"
)
_WORD = re.compile(r"\w+(?:['-]\w+)*|[%€$£<>=+#&/@]")


def unlike(kept: str, asked: str, cosine: float) -> Unlike | None:
    """What keeps the answer to ``kept`` from being one to ``asked``; None where they ask the same."""
    if cosine < NEAR:
        return "far"
    if numbers(kept) != numbers(asked):
        return "numbers"
    if _negations(kept) != _negations(asked):
        return "negation"
    return None if asks(kept) == asks(asked) else "words"


def asks(question: str) -> tuple[str, ...]:
    """The words that make the question this one, in order, each in one form: the singular, the present, digits.

    Stems would be too coarse: an employer is not employed. A word such as ``IT`` or ``May``, which in small letters
    says nothing, keeps its capitals.
    """
    words = enumerate(_WORD.findall(_plainly(question)))
    return tuple(_one_form(word, first=n == 0) for n, word in words if word.lower() not in _ARTICLES)


def _one_form(word: str, *, first: bool) -> str:
    small = fold(word)
    if not stems(word) and not word.isdigit():
        return word if word != word.lower() and not first else _ONE_FORM.get(small, small)
    if word.isalpha() and (said := numbers(word)):
        return min(said)
    return _singular(small.removesuffix("'s").removesuffix("'"))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    plural = word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def _plainly(question: str) -> str:
    """Without courtesies and contractions, and asked for a number in one way. Names keep their capitals."""
    text = question.replace("’", "'").strip()
    for courtesy in _COURTESIES:
        text = courtesy.sub("", text, count=1)
    for pattern, instead in _ALIKE:
        text = pattern.sub(instead, text)
    return text


def _negations(question: str) -> list[str]:
    return sorted(fold(one) for one in _NEGATION.findall(_plainly(question)))
