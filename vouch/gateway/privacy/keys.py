"""Keys, tokens and passwords in text: by what they begin with, by what stands before them, and by entropy.

Hashes, UUIDs and identifiers have entropy too and are no secrets: what is nothing but hexadecimal counts only where a
word before it says that it is one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from vouch.core.types import Span
from vouch.gateway.privacy.kinds import Found

_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:(?!-----)[\s\S]){0,12000}-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|[\w+/=:,\s]{0,12000})"
)
"""A key whose end is not in the text is one as far as it looks like one."""
_JWT = re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]{4,}){1,4}\.?[\w-]*")
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{40,}|gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{20,}"
    r"|xox[abeoprs](?:-[A-Za-z0-9]{4,})+|xapp-\d-[\w-]{20,}"
    r"|sk-(?:proj-|ant-|live-|test-|or-|svcacct-)?[\w-]{20,}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{20,}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|do[opr]_v1_[0-9a-f]{64}|dckr_pat_[\w-]{20,}|hv[sb]\.[\w-]{20,}|vck_[\w-]{20,}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{50,}|LTAI[A-Za-z0-9]{12,20}|EAA[A-Za-z0-9]{60,}|ATATT3[\w=-]{50,}|lin_api_\w{30,}|secret_\w{40,}"
    r")"
)
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://(?P<value>[^\s/@:\"'<>]{0,100}:[^\s/@\"'<>]{1,200})@", re.IGNORECASE)
_FIELD = re.compile(
    r"\b(?:AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)=(?P<value>[^;\s\"'<>]{6,})", re.IGNORECASE
)
_NAMED = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|kennwort|passwort|contraseña|mot de passe|senha|secret"
    r"|api[ _-]?key|access[ _-]?key|signing[ _-]?key|private[ _-]?key|client[ _-]?secret"
    r"|(?:auth|access|bearer|refresh|api)[ _-]?token|token|credentials?)"
)
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z]){_NAMED}(?:[\w-]{{0,20}})[\"'`*]{{0,3}}\s{{0,3}}(?:[:=]|=>|:=|\bis\b|\bist\b|\bes\b|\best\b)\s{{0,3}}"
    r"(?:Bearer |Basic )?[\"'`]?(?P<value>[^\s\"'`<>,;]{6,200})",
    re.IGNORECASE,
)
_AUTHORIZED = re.compile(r"\b(?:Bearer|Basic)\s+(?P<value>[\w+/=.~-]{16,})")
_EMPTY = re.compile(
    r"[*x.•_-]+|\$\{?[\w.]+\}?|\$\(.*|\{\{?.*|%\w+%|\[.*|https?://.*|\w+\(.*|changeme.*|your[-_].*", re.IGNORECASE
)

_DENSE = re.compile(r"(?<![\w+/=%-])[A-Za-z0-9+/_-]{20,512}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_SAID = re.compile(rf"\b{_NAMED}\W{{0,4}}(?:\w+\W{{1,3}}){{0,3}}$", re.IGNORECASE)
_BEFORE = 400
_ADDRESS = re.compile(r"(?:://|www\.)[^\s\"'<>]{0,400}$")
_BITS = 3.6
"""Of a character, in what is to be a key. 24 random letters and digits have about 4.2, English words together 3.3."""


def find(text: str) -> Iterator[Found]:
    """What may be a secret in ``text``; may overlap."""
    for match in _PEM.finditer(text):
        yield Found("private_key", Span(*match.span()), 1.0)
    for pattern in (_PREFIXED, _JWT):
        for match in pattern.finditer(text):
            yield Found("token", Span(*match.span()), 0.95)
    for pattern in (_IN_URL, _FIELD):
        for match in pattern.finditer(text):
            yield Found("credentials", Span(*match.span("value")), 0.9)
    for match in _ASSIGNED.finditer(text):
        if _secretive(match["value"]):
            yield Found("password", _trimmed(match), 0.8)
    for match in _AUTHORIZED.finditer(text):
        yield Found("token", Span(*match.span("value")), 0.8)
    for match in _DENSE.finditer(text):
        if _random(match[0], text[max(0, match.start() - _BEFORE) : match.start()]):
            yield Found("key", Span(*match.span()), 0.6)


def _secretive(value: str) -> bool:
    """More than a word: "the password is expired" tells none."""
    kinds = sum(bool(re.search(one, value)) for one in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w.]"))
    return kinds >= 2 and bool(re.search(r"\d|[^\w.:)-]", value)) and not _EMPTY.fullmatch(value)


def _trimmed(match: re.Match[str]) -> Span:
    value = match["value"].rstrip(".)]}:")
    return Span(match.start("value"), match.start("value") + len(value))


def _random(word: str, before: str) -> bool:
    said = _SAID.search(before) is not None
    if _HEX.fullmatch(word):
        return said and _bits(word) >= 2.5
    best = max(re.split(r"[/_=-]", word), key=len)
    mixed = all(re.search(one, best) for one in (r"[a-z]", r"[A-Z]", r"\d"))
    if not said and _ADDRESS.search(before):  # the ids of pages, and of documents that are shared
        return False
    if said:
        return bool(re.search(r"\d", word)) and _bits(word) >= 3.0
    return len(best) >= 20 and mixed and _bits(best) >= _BITS and _jumps(best) >= len(best) / 4


def _bits(word: str) -> float:
    """Shannon's entropy of a character of ``word``."""
    counts = Counter(word).values()
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts)


def _jumps(word: str) -> int:
    """How often it goes from small to capital letters, to digits, and back. Identifiers seldom do."""
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in word]
    return sum(a != b for a, b in pairwise(classes))
