"""How hard a question is to answer, told by its words alone: the same words, the same route.

``lookup``: one fact is wanted, which stands in a sentence. ``synthesis``: what has to be put together from several.
Where it cannot be told it is the latter, for what is dear is less bad than what is wrong.
"""

from __future__ import annotations

import re

from vouch.gateway.model_file import Difficulty

LOOKUP_WORDS = 16
"""A question of more words asks for more than one thing, or for one thing under conditions."""
_PUTS_TOGETHER = re.compile(
    r"\b(compar\w*|differ\w*|versus|vs|why|explain\w*|summar\w*|overview|describe|outline|advantages?|trade-?offs?"
    r"|pros|relationship|all|list|every|each|steps?|process\w*|implications?|both"
    r"|vergleich\w*|unterschied\w*|warum|wieso|erkl[äa]r\w*|zusammenfass\w*|[üu]berblick|beschreib\w*|alle"
    r"|compara\w*|diferenci\w*|por qu[eé]|explica\w*|resum\w*|todos|todas"
    r"|compare\w*|diff[eé]ren\w*|pourquoi|expliqu\w*|r[eé]sum\w*|tous|toutes)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"[?;].*\w.*|,\s*(and|und|y|et)\b|\b(and|und|y|et)\s+(how|what|when|who|where|which|why|wie|was)\b", re.I
)


def difficulty(question: str) -> Difficulty:
    """Of the question as it is searched for."""
    words = len(question.split())
    if words > LOOKUP_WORDS or _PUTS_TOGETHER.search(question) or _JOINED.search(question.rstrip("?!. ")):
        return "synthesis"
    return "lookup"
