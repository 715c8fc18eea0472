"""What kind of thing a question asks for, and whether a sentence holds such a thing: patterns, no model."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerType:
    """``asked`` matches questions that want this type, ``given`` matches sentences that hold it."""

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]


def _words(text: str) -> str:
    return r"\b(?:" + "|".join(text.split()) + r")\b"


_COUNT_WORDS = _words(
    "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty ninety"
    " hundred thousand million billion dozen once twice half double daily weekly fortnightly monthly quarterly"
    " annually yearly unlimited"
)
_UNITS = r"(?:days?|weeks?|months?|years?|hours?|minutes?|quarters?)"
_CALENDAR = _words(
    "january february march april may june july august september october november december"
    " monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter"
    " daily weekly monthly quarterly annually yearly noon midnight"
)
_ROLES = _words(
    "managers? officers? teams? directors? heads? leads? committees? departments? employees? presidents? owners?"
    " company board people teammates? desks? partners?"
)

_TYPES = (
    AnswerType(
        "money",
        re.compile(
            r"\b(?:costs?|prices?|fees?|salary|budget|paid|worth|revenue|allowance)\b|\bhow much\b.{0,40}"
            r"\b(?:cost|pay|spend|earn|reimbursed?|claim)",
            re.I,
        ),
        re.compile(r"[$€£¥%]|\b(?:usd|eur|gbp|chf|dollars?|euros?|pounds?|cents?|percent|free)\b|\d", re.I),
    ),
    AnswerType(
        "number",
        re.compile(
            r"\bhow (?:many|often|old|far|tall|big|large|high|deep|much|fast)\b"
            r"|\bwhat (?:percent\w*|number|amount|age|size|rate|share|limit)\b",
            re.I,
        ),
        re.compile(rf"\d|{_COUNT_WORDS}", re.I),
    ),
    AnswerType(
        "date",
        re.compile(
            r"\bwhen\b|\bhow long\b|\bdeadline\b|\b(?:what|which) (?:year|date|day|time|month|century|season)\b", re.I
        ),
        re.compile(
            rf"\b(?:1\d|20)\d\d\b|{_CALENDAR}|\b\d{{1,2}}[:/.-]\d{{1,2}}\b|\b(?:\d+|\w+)\s{_UNITS}\b|\bcentury\b", re.I
        ),
    ),
    AnswerType(
        "person",
        re.compile(r"\b(?:who|whom|whose)\b|\b(?:what|which) (?:person|team|company|group|band|department)\b", re.I),
        # A capitalised word that does not begin the sentence, or a role.
        re.compile(rf"(?<=[\w,;:(] )[A-Z][\w'’-]+|^[A-Z][\w'’-]+ (?:[A-Z]\. )?[A-Z]|@\w|(?i:{_ROLES})"),
    ),
    AnswerType(
        "place",
        re.compile(r"\bwhere\b|\b(?:what|which) (?:country|city|state|place|region|channel|site|room|office)\b", re.I),
        re.compile(
            r"\b(?:in|at|on|near|from|to|of|between|through|within|inside|under|behind|across|via) (?:the )?[A-Z#]"
            r"|https?:|\b(?i:located|place|site|page|folder|channel|room|office|building|city|country|region|portal)\b"
        ),
    ),
    AnswerType(
        "reason",
        re.compile(r"\bwhy\b|\bwhat causes?d?\b|\breasons?\b|\bpurpose\b", re.I),
        re.compile(
            r"\b(?:because|since|due|so that|in order|therefore|cause[sd]?|reasons?|as a result|thus|hence|allows?"
            r"|enables?|so (?:we|you|they|it)|to (?:ensure|avoid|prevent|help|make|keep|protect))\b",
            re.I,
        ),
    ),
)


def expected(question: str) -> AnswerType | None:
    """The type that ``question`` asks for; None where any sentence could answer it."""
    return next((kind for kind in _TYPES if kind.asked.search(question)), None)
