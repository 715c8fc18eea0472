"""A question that asks several things in one, taken apart: each is searched for and answered by itself.

By its words alone, and only where each part stands as a question: it ends with its own mark, or begins, behind a comma
or an "and", with a word that asks. A part that points back takes what it leaves unsaid from the one before.
"""

from __future__ import annotations

import re

from retrieval.rewrite import carrying, points_back
from retrieval.terms import key_terms
from retrieval.types import Part

MOST = 3
"""Parts. A question of more is asked whole."""
_ASKS = (
    r"(?:how|what|which|who|whom|whose|when|where|why|is|are|do|does|did|can|may|must|should"
    r"|wie|welche[rsnm]?|wer|wem|wann|wo|warum|wieso|darf|muss|kann|gibt"
    r"|c[oó]mo|qu[eé]|cu[aá]l(?:es)?|qui[eé]n|cu[aá]ndo|d[oó]nde|por qu[eé]"
    r"|comment|quel(?:le)?s?|qui|quand|o[uù]|pourquoi|combien)"
)
_LED = r"(?:(?:in|on|at|for|to|from|by|under|within|f[uü]r|mit|von|bis|en|de|para|por|dans|pour)\s+)?"
_QUESTION = rf"{_LED}{_ASKS}\b"
_JOINTS = re.compile(
    rf"\?\s+(?:(?:and|und|y|et)\s+)?(?=\w)|[,;]?\s+(?:and|und|y|et)\s+(?={_QUESTION})|[,;]\s+(?={_QUESTION})",
    re.IGNORECASE,
)
_DEFINITE = re.compile(r"\b(?:the|der|die|das|dem|den|el|la|los|las|le|les)\b", re.IGNORECASE)
_OPENS = re.compile(_QUESTION, re.IGNORECASE)


def split(question: str) -> tuple[Part, ...]:
    """The questions that ``question`` is made of; none where it is one."""
    parts = [part.strip(" ?;,.") for part in _JOINTS.split(question)]
    if not 1 < len(parts) <= MOST or not all(map(_asks, parts)) or len(key_terms(parts[0])) < 2:
        return ()
    found = [Part(parts[0], parts[0])]
    for part in parts[1:]:
        leans = points_back(part) or (len(key_terms(part)) <= 2 and _DEFINITE.search(part))
        found.append(Part(part, carrying(part, found[-1].query).query if leans else part))
    return tuple(found)


def _asks(part: str) -> bool:
    """It says what it is about, and that it is a question: "which form and which office" are one."""
    return bool(_OPENS.match(part)) and len(part.split()) >= 3 and bool(key_terms(part))
