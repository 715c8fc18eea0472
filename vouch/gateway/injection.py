"""Text that reads as if it were meant for a model: instructions in a question, or in a document.

Patterns, and therefore advisory: what is found is marked and noted, and decides nothing. An instruction in plain
words ("explain the theory of relativity") reads like any other sentence; what stands against it is that a model's
output is verified, whatever it was told.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from vouch.core.types import Span

Ruse = Literal["override", "persona", "disclosure", "steering", "encoded", "template", "addressed", "exfiltration"]
RUSES: tuple[Ruse, ...] = get_args(Ruse)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Words at ``span`` that read like ``ruse``."""

    ruse: Ruse
    span: Span


_EARLIER = (
    r"(?:all|any|every|each|the|your|my|its|these|those|this|previous|prior|preceding|earlier|above|former|foregoing"
    r"|following|initial|original|existing|current|other|given|system|safety|content|of|and|or|about|what|everything)"
)
_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|orders|constraints?|restrictions"
    r"|programming|training|context|polic(?:y|ies)|said|told|wrote)"
)
_REPLY = r"(?:repl(?:y|ies)|responses?|answers?|message|output|summary|text|translation)"
_YOURS = rf"your\s+(?:\w+\s+)?{_REPLY}(?:['’]s)?"
_WITHIN = r"(?:[^.?\n|]|\.(?=\S))"
_MAKER = r"(?:open\s?ai|anthropic|google|meta|microsoft|deepmind|chat\s?gpt|gpt(?:-?\d)?)"

_PATTERNS: dict[Ruse, tuple[str, ...]] = {
    "override": (
        rf"\b(?:ignore|disregard|forget|neglect|override|bypass|discard"
        rf"|drop)(?:\s+{_EARLIER}){{1,6}}\s+(?:\w+\s+)?{_RULES}\b",
        rf"\b(?:do not|don't|never|stop|no longer)\s+(?:follow|obey|comply with"
        rf"|adhere to)(?:ing)?(?:\s+{_EARLIER}){{1,4}}\s+{_RULES}\b",
        r"\b(?:ignore|disregard|forget)\s+(?:everything|anything|all)\s+(?:that\s+)?(?:you|i|we|above|before"
        r"|prior|was|has|said|and)\b",
        r"\bstop everything\b",
        r"\b(?:new|updated|revised|real|actual)\s+(?:system\s+)?(?:instructions?|task|objective"
        r"|directives?)\s*(?:are|is|follow)?\s*:",
        r"\b(?:system|admin(?:istrator)?|root|developer|security|emergency)\s+override\b(?=\s*[:!.]"
        r"|\s+(?:enabled|engaged|activated|code))",
        r"\b(?:nevermind|never mind)\b[^\n]{0,40}\b(?:just|instead|print|say|output)\b",
        r"\bjust\s+(?:say|print|output|reply with|respond with)\s+[\"“'‘]",
        r"\b(?:ignorier\w*|vergiss|vergesst|vergessen sie|missachte\w*)\b[^.\n]{0,40}\b(?:anweisung|instruktion"
        r"|regel|vorgabe)\w*",
        r"\b(?:ignore[zr]?|oublie[zr]?)\b[^.\n]{0,40}\b(?:instructions?|consignes?|règles?)\b",
        r"\b(?:ignora\w*|olvida\w*|omite|ignore|esqueça)\b[^.\n]{0,40}\b(?:instrucci\w+|instruç\w+|reglas"
        r"|regras|istruzioni)\b",
        r"(?:игнорируй\w*|забудь\w*)[^.\n]{0,40}(?:инструкци|указани|правил)\w*",
        r"(?:忽略|无视|忘记|忘掉)[^。\n]{0,20}(?:指令|指示|说明|提示|规则)",
    ),
    "persona": (
        r"\bfrom now on,?\s+(?:you|your|act|respond|answer|reply|pretend)\b",
        r"\byou are now\s+(?:an?|in|the|going|free|no longer|acting|my|operating|called|named|(?-i:[A-Z]{3,}))\b",
        r"\byou (?:will|shall|must) (?:now )?(?:be called|act as|play the role|behave as|become|pretend)\b",
        r"\b(?:dan|god|jailbreak|sudo|unrestricted|evil|apophis|verification)[ -]mode\b",
        r"\b(?:in|with|simulate|under)\s+(?:developer|debug|maintenance|admin|root)[ -]mode\b(?! of)",
        r"\bdo anything now\b|\bact(?:ing)? as (?:dan|an? unrestricted|an? unfiltered|an? uncensored)\b",
        r"\byou (?:are|have|can|do)\b[^.\n]{0,60}\b(?:not? (?:longer )?(?:bound|limited|restricted|constrained"
        r"|subject)|free(?:d)? (?:of|from) (?:all|any|the))\b",
        r"\b(?:without|no|free of|ignoring)\s+(?:any\s+|all\s+|its\s+|the\s+|your\s+)?(?:ethical |moral "
        r"|content |safety )"
        r"(?:guidelines?|restrictions?|filters?|constraints?|limitations?|polic(?:y|ies))\b[^.\n]{0,80}\b(?:you"
        r"|respond|answer|ai)\b",
        r"\bas an? (?:ai|language model|assistant|chatbot)\b[^.\n]{0,40}\b(?:developed|created|made|trained"
        r"|programmed)\b",
        rf"\b(?:approved|authori[sz]ed|sanctioned|sponsored)\b[^.\n]{{0,30}}\bby (?:explicitly )?{_MAKER}\b",
        r"\byou must obey\b|\bobey (?:all|my|every|the following) (?:orders?|commands?|instructions?)\b",
    ),
    "disclosure": (
        r"\b(?:reveal|print|show|repeat|output|display|tell|give|leak|share|copy|recite|echo|write|dump"
        r"|disclose|return|send|translate"
        r"|summari[sz]e|what (?:is|are|was|were)|what's)\b[^.?\n]{0,50}\b(?:your|the|this|these)\s+(?:\w+\s+){0,2}?"
        r"(?:system (?:prompt|message|instructions?)|(?:initial|hidden|secret|original|first|previous|above"
        r"|prior|full|exact|entire)"
        r" (?:prompt|instructions?|message)|pre-?prompt|instructions you (?:were|have been|got))\b",
        r"\b(?:repeat|print|copy|output|recite|echo)\b[^.?\n]{0,30}\b(?:everything|all|the (?:text|words|lines?"
        r"|content))\b[^.?\n]{0,20}"
        r"\b(?:above|before|preceding)\b",
        r"\b(?:share|give|tell|send|reveal|need|want|what is"
        r"|what's)\b[^.?\n]{0,30}\byour (?:secret )?(?:password|passphrase|passcode)\b"
        r"(?! (?:polic|rule|requirement|reset|manager))",
        r"\b(?:your|my) (?:secret|confidential) (?:instructions?|prompt|rules)\b",
    ),
    "steering": (
        rf"\b(?:add|append|include|insert|integrate|incorporate|embed|weave|attach|mention|drop|place|put|slip"
        rf"|feature"
        rf"|introduce|prepend|sprinkle|interject)\b{_WITHIN}{{1,200}}?\b(?:in|to|into|within"
        rf"|at the end of)\s+{_YOURS}\b",
        rf"\b(?:modify|alter|change|adjust|convert|render|scramble|jumble|shuffle|encode|encrypt|rewrite"
        rf"|reformat|transform"
        rf"|anagram|rearrange|misspell|obfuscate|augment|enhance|enrich|tailor"
        rf"|spice up)\b{_WITHIN}{{0,60}}?\b{_YOURS}\b",
        rf"\b(?:provide|give|write|deliver|present|phrase|craft|compose)\s+{_YOURS}\s+(?:using|without|with|as"
        rf"|in the form)\b",
        rf"\b(?:letters?|words?|vowels?|consonants?|characters?|spac\w+|punctuation|typos?|misspellings?"
        rf"|sentences?)\b"
        rf"{_WITHIN}{{0,50}}\b(?:in|of|within|from|throughout)\s+{_YOURS}\b",
        rf"\bin\s+{_YOURS},?\s+(?:please\s+)?(?:suggest|mention|tease|hint|recommend|include|add|promote|ask"
        rf"|invite|tell|claim"
        r"|state|say|encourage|urge|use|replace|insert|advise|direct|link)\b",
        r"\b(?:replace|substitute|convert|swap|anagram|reverse|misspell|scramble)\s+(?:every|each|all|random"
        r"|the)?\s*(?:\w+\s+){0,2}?"
        r"(?:letters?|vowels?|consonants?)\b",
        r"\b(?:respond|reply|answer)\s+(?:only|exclusively|solely|always|instead)\b[^.\n]{0,20}\b(?:with|in|by"
        r"|using)\b",
    ),
    "encoded": (
        r"\b(?:decode|decipher|decrypt|unscramble)\b[^.\n]{0,40}\b(?:morse|caesar|base\s?64|rot\s?13|binary"
        r"|hex\w*|cipher|ascii)\b",
        r"\b\w\s*=\s*\w\s*\+\s*\w\b[^\n]{0,80}\b(?:returned|output|result|respond|print|answer)\b",
    ),
    "template": (
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<</?SYS>>"
        r"|</?(?:system|assistant)>",
        r"(?:^|\n)\s*#{1,4}\s*(?:system|instruction|assistant|human)s?\s*:",
        r"[\[{(]\s*system\s*:",
    ),
    "addressed": (
        r"\b(?:attention|dear|hello|hey|note to|message (?:to|for)|instructions? (?:to|for)|to)\s+(?:any |the |all )?"
        r"(?:ai|llms?|(?:large )?language models?|chat\s?bots?|(?:ai|virtual|language) (?:models?|assistants?"
        r"|agents?)|chatgpt|gpt|copilot)"
        r"\b(?=[\s,:!-])(?!\s+(?:is|are|was|were|can|could|will|would|has|have|in|on|for|of|to)\b)",
        r"\bif you are an? (?:ai|llm|language model|assistant|chatbot|automated)\b",
        r"\b(?:ai|llm|language model|assistant)s? (?:reading|processing|summari[sz]ing|parsing"
        r"|indexing) (?:this|these)\b",
    ),
    "exfiltration": (
        r"\b(?:send|post|upload|forward|transmit|exfiltrate|leak)\b[^.\n]{0,60}\b(?:contents?|conversation"
        r"|history|documents?|data|passwords?|prompt)"
        r"\b[^.\n]{0,40}\bto\s+(?:https?://|www\.|[\w.+-]+@)",
    ),
}
_COMPILED = {ruse: tuple(re.compile(one, re.IGNORECASE) for one in many) for ruse, many in _PATTERNS.items()}


def find(text: str) -> tuple[Suspect, ...]:
    """What in ``text`` reads as if it were meant for a model, in order; none where nothing does."""
    folded = _folded(text)
    found: list[Suspect] = []
    for ruse, patterns in _COMPILED.items():
        spans = sorted(match.span() for pattern in patterns for match in pattern.finditer(folded))
        found += (Suspect(ruse, Span(start, end)) for start, end in _joined(spans))
    return tuple(sorted(found, key=lambda one: (one.span.start, one.span.end)))


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """``spans``, in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _folded(text: str) -> str:
    """``text`` with letters of other widths and styles as plain ones, where that keeps every character's place."""
    plain = {ord(c): one for c in set(text) if len(one := unicodedata.normalize("NFKC", c)) == 1}
    return text.translate(plain)
