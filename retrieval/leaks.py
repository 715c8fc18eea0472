"""What no answer may hold: the instructions that its writer was given, and secrets that none of its quotes has."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence

from vouch.core.errors import BadConfig
from vouch.core.settings import Settings
from vouch.gateway.privacy.find import find
from vouch.gateway.privacy.kinds import SECRETS, Kind
from vouch.gateway.privacy.policy import Policy

RECITED = 9
"""Words in a row that a claim may not share with the instructions, unless its quotes have them too."""

_WORD = re.compile(r"\w+")


def unused_word() -> str:
    """To mark instructions with, so that an answer that tells of them is known, whatever else it says."""
    return secrets.token_hex(10)


def tells(text: str, canary: str) -> bool:
    """Whether ``text`` holds ``canary``, also in capitals, spaced out, with marks between, or backwards."""
    letters = "".join(filter(str.isalnum, text)).casefold()
    return bool(canary) and (canary in letters or canary[::-1] in letters)


def recites(text: str, instructions: str, quotes: Sequence[str]) -> bool:
    """Whether ``text`` says a piece of ``instructions`` that no document says."""
    said = _WORD.findall(text.casefold())
    known, quoted = (" ".join(_WORD.findall(one.casefold())) for one in (instructions, " ".join(quotes)))
    pieces = (" ".join(said[n : n + RECITED]) for n in range(len(said) - RECITED + 1))
    return any(piece in known and piece not in quoted for piece in pieces)


def smuggles(text: str, quotes: Sequence[str]) -> bool:
    """Whether ``text`` holds a secret that none of ``quotes`` does: of another passage, or made up."""
    return any(not any(one.span.of(text) in quote for quote in quotes) for one in find(text, SECRETS))


def private(texts: Sequence[str], refused: Collection[Kind]) -> bool:
    """Whether one of ``texts`` holds something of the kinds that answers do not tell."""
    return bool(refused) and any(find(text, refused) for text in texts)


def untold(settings: Settings) -> frozenset[Kind]:
    """The kinds that no answer tells, of ``VOUCH_PRIVACY_ANSWERS``. Raises :class:`BadConfig`."""
    policy = Policy.parse(settings.privacy_answers, field="privacy_answers")
    if policy.masked:
        said = "quotes are exact, so nothing in an answer is masked: allow or refuse"
        raise BadConfig(said, field="privacy_answers")
    return policy.refused
