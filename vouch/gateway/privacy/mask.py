"""Placeholders for personal data and secrets, and the way back.

A placeholder reads ``[EMAIL-1-kqzvtn]``: the kind, a number, and letters that stand in no text of the request, so
nothing that was there can pass for one. A value has the same placeholder wherever it stands in the request, and another
one in the next request.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vouch.core.errors import ModelWithheld
from vouch.core.types import Span
from vouch.gateway.privacy.find import find
from vouch.gateway.privacy.kinds import Found, Kind, disjoint
from vouch.gateway.privacy.policy import Policy

_LETTERS = "bcdfghjklmnpqrstvwxz"
_TELLING = 8
"""Characters from which on a value is masked wherever they stand again; a shorter one only as a word."""
_AGAIN = 5
"""A value that is shorter still is masked only where it was found."""


@dataclass(repr=False)
class Masking:
    """What the texts of one request hide: value ⇄ placeholder. Not shared by threads; its ``repr`` tells nothing."""

    texts: Sequence[str]
    policy: Policy
    nonce: str = field(init=False)
    _placeholders: dict[str, str] = field(init=False, default_factory=dict)
    _values: dict[str, str] = field(init=False, default_factory=dict)
    _kinds: Counter[Kind] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        """Raises :class:`ModelWithheld` when a text holds what may not be sent at all."""
        found = [find(text, self.policy.sought) for text in self.texts]
        if kinds := {one.kind for every in found for one in every} & self.policy.refused:
            named = ", ".join(sorted(kinds))
            raise ModelWithheld(f"The question or its evidence holds what this model may not be sent: {named}.")
        self.nonce = _unused("\n".join(self.texts).casefold())
        self._known = {
            one.span.of(text): one.kind for text, every in zip(self.texts, found, strict=True) for one in every
        }
        self._found = dict(zip(self.texts, found, strict=True))
        self._issued = re.compile(rf"\[[A-Z_]+-\d+-{self.nonce}\]")
        self.masked = [self._mask(text) for text in self.texts]
        kinds_said = "|".join(sorted(kind.upper() for kind in self._kinds)) or "(?!)"
        self._debris = re.compile(rf"(?i:{self.nonce})|\b(?:{kinds_said})[-_ ]?\d+\b")

    @property
    def counts(self) -> dict[str, int]:
        """How many values of each kind are masked."""
        return dict(self._kinds.items())

    def restore(self, text: str) -> str | None:
        """``text`` with the values back in it; None where something is left that looks like a placeholder and is none:
        what a model has made of one cannot be told."""
        restored = self._issued.sub(lambda match: self._values.get(match[0], match[0]), text)
        left = (match[0] for match in self._debris.finditer(restored))
        whole = all(any(one in known for known in self.texts) for one in left)
        return restored if whole else None

    def values_in(self, text: str) -> frozenset[str]:
        """The values whose placeholders stand in ``text``."""
        return frozenset(self._values[match] for match in self._issued.findall(text) if match in self._values)

    def _mask(self, text: str) -> str:
        pieces: list[str] = []
        end = 0
        for one in disjoint([*self._found[text], *self._again(text)]):
            pieces += (text[end : one.span.start], self._placeholder(one.span.of(text), one.kind))
            end = one.span.end
        return "".join((*pieces, text[end:]))

    def _again(self, text: str) -> Iterator[Found]:
        """Where a value that was found somewhere stands in ``text``, though nothing beside it says what it is."""
        for value, kind in self._known.items():
            if len(value) < _AGAIN or value not in text:
                continue
            pattern = re.escape(value) if len(value) >= _TELLING else rf"(?<!\w){re.escape(value)}(?!\w)"
            for match in re.finditer(pattern, text):
                yield Found(kind, Span(*match.span()), 0.0)

    def _placeholder(self, value: str, kind: Kind) -> str:
        if value not in self._placeholders:
            self._kinds[kind] += 1
            made = f"[{kind.upper()}-{self._kinds[kind]}-{self.nonce}]"
            self._placeholders[value], self._values[made] = made, value
        return self._placeholders[value]


def _unused(text: str) -> str:
    while (nonce := "".join(secrets.choice(_LETTERS) for _ in range(6))) in text:
        continue
    return nonce
