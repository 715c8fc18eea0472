"""Microsoft Presidio's pattern recognisers: numbers that have a form, and mostly a checksum.

They are asked one by one. Presidio's engine around them wants a language model, and what it adds to patterns, words
that stand near, is a few lines here. Names, places and organisations need a model; none is in the package.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from ipaddress import ip_address
from types import ModuleType
from typing import Any

from vouch.core.types import Span
from vouch.gateway.privacy.kinds import Found, Kind

_NOT_NEEDED = frozenset({"torch", "transformers", "stanza", "gliner", "cupy"})
_NEAR = 60
"""Characters before a number in which a word may say what it is."""
_AFTER = 15
_STRONG = 0.5
_CHECKED = 0.95
"""Scores of Presidio: of a form that is telling, and of one with a checksum that holds."""

_RECOGNISERS: dict[Kind, tuple[str, ...]] = {
    "email": ("EmailRecognizer",),
    "card": ("CreditCardRecognizer",),
    "iban": ("IbanRecognizer",),
    "ip": ("IpRecognizer",),
    "wallet": ("CryptoRecognizer",),
    "national_id": (
        "AuMedicareRecognizer",
        "AuTfnRecognizer",
        "CaSinRecognizer",
        "DeSocialSecurityRecognizer",
        "DeTaxIdRecognizer",
        "EsNieRecognizer",
        "EsNifRecognizer",
        "FiPersonalIdentityCodeRecognizer",
        "InAadhaarRecognizer",
        "ItFiscalCodeRecognizer",
        "KrRrnRecognizer",
        "NhsRecognizer",
        "PlPeselRecognizer",
        "SePersonnummerRecognizer",
        "SgFinRecognizer",
        "ThTninRecognizer",
        "TrNationalIdRecognizer",
        "UkNinoRecognizer",
        "UsItinRecognizer",
        "UsMbiRecognizer",
        "UsSsnRecognizer",
        "ZaIdNumberRecognizer",
    ),
}
_SUFFICIENT: frozenset[Kind] = frozenset({"email", "card", "iban", "ip", "wallet"})
"""Kinds whose form is enough. A national number that is digits alone needs a word beside it: one number in ten or
eleven has a check digit that fits."""


@dataclass(frozen=True, slots=True)
class _Recogniser:
    kind: Kind
    analyze: Any
    near: re.Pattern[str]

    def find(self, text: str) -> Iterator[Found]:
        for result in self.analyze(text, [], None):
            start, end, score = result.start, result.end, result.score
            if _nobodys(self.kind, text[start:end], text[max(0, start - 1) : start]):
                continue
            if self._said(text, start, end):
                yield Found(self.kind, Span(start, end), 0.95)
            elif self._enough(text[start:end], score):
                yield Found(self.kind, Span(start, end), min(score, 0.95))

    def _enough(self, found: str, score: float) -> bool:
        if self.kind in _SUFFICIENT or score < _STRONG or found.isdigit():
            return self.kind in _SUFFICIENT and score >= _STRONG
        return score >= _CHECKED or "-" in found or any(map(str.isalpha, found))

    def _said(self, text: str, start: int, end: int) -> bool:
        beside = f"{text[max(0, start - _NEAR) : start]} {text[end : end + _AFTER]}"
        return self.kind not in _SUFFICIENT and self.near.search(beside) is not None


def find(text: str) -> Iterator[Found]:
    """What the recognisers find in ``text``; may overlap."""
    for recogniser in recognisers():
        yield from recogniser.find(text)


@cache
def recognisers() -> tuple[_Recogniser, ...]:
    """Imports Presidio on the first call, which takes a second or two."""
    with _without(_NOT_NEEDED):
        known = import_module("presidio_analyzer.predefined_recognizers")
    logging.getLogger("presidio-analyzer").disabled = True  # it writes down what it looked at
    return tuple(_recogniser(kind, known, name) for kind, names in _RECOGNISERS.items() for name in names)


def _recogniser(kind: Kind, known: ModuleType, name: str) -> _Recogniser:
    its: Any = getattr(known, name)()
    if kind == "email":
        # Presidio looks the domain up in a list that it fetches, and takes hosts of an intranet for none.
        its.validate_result = _has_domain
    words = "|".join(re.escape(word.strip()) for word in its.context or ("number",))
    return _Recogniser(kind, its.analyze, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))


def _nobodys(kind: Kind, found: str, before: str) -> bool:
    """The machine's own address says nothing of anybody; a card's number begins neither after a plus nor in a path."""
    if kind == "ip":
        with suppress(ValueError):
            address = ip_address(found.partition("/")[0].partition("%")[0])
            return address.is_loopback or address.is_unspecified
    return kind == "card" and before in ("+", "/")


def _has_domain(address: str) -> bool | None:
    """None: the form decides. ``module@v1.1.5`` has no domain."""
    return None if address.rpartition(".")[2][:1].isalpha() else False


@contextmanager
def _without(names: frozenset[str]) -> Iterator[None]:
    """Imports of this thread find none of ``names``. Presidio and spaCy import whatever engines are installed, torch
    among them: some ten seconds and 400 MB for patterns that need none. Other threads import as ever, and what is
    imported already stays."""
    finder = _Finder(threading.get_ident(), names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@dataclass(eq=False)
class _Finder(MetaPathFinder):
    thread: int
    names: frozenset[str]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if threading.get_ident() == self.thread and fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)
        return None
