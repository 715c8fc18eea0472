"""A text's words as the terms that an index keeps, cut and stemmed by the language that the text is in.

A document's language is known, a question's is not: three words say too little. So a document has one stem of each
word, that of its own language, and a question the stems that its word may have there. A language's stop words are no
terms of its documents, and so find nothing there, whatever a question has of them.

What looks like a name that machines gave (``ERR_CONN-4521``, ``v1.2.3``, ``getUserById``) is a term as a whole, and so
are its parts. Scripts that put no spaces between words are cut into pairs of characters that stand together.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain, pairwise, repeat
from zlib import crc32

import Stemmer
from qdrant_edge import Bm25, Bm25Config

STEMMED: Mapping[str, str] = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
"""ISO 639-1 → the name that stop words and stems go by. Words of any other language stay as they are written."""
UNKNOWN = "en"
"""What a text is read as whose language nobody could tell: tables and code mostly, with English words in them."""
AS_WRITTEN = ""
"""No language: neither stop words nor stems."""
LONGEST = 64
"""Characters of a term. What is longer is an address or data, and its parts are terms already."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
_MARKS = "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
"""Signs that are written with letters and do not end a word: accents apart from theirs, vowels of Indic scripts."""
_LATIN = re.compile("[\u0000-\u024f\u1e00-\u1eff]*")
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670]+")
_INVISIBLE = dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF))
_PLAIN_WORD = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
_JOINED = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_./:][^\W_]++)+")
_NAMED = re.compile(r"[_\d]")
_HUMP = re.compile(r"[a-z][A-Z]")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_BETWEEN = re.compile(r"[-_./:]+")
_SAME = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ς": "σ"})

_TELLING = 2
"""Stop words of one language in a question, at least, for it to be taken to be in that one."""

_one_at_a_time = threading.Lock()  # a stemmer keeps its state between two calls


def terms(text: str, language: str) -> list[int]:
    """The terms of a document in ``language`` (ISO 639-1, anything else for none known), as often as they are there."""
    read = UNKNOWN if language in ("", "und") else language if language in STEMMED else AS_WRITTEN
    return list(chain.from_iterable(map(_terms, _words(text), repeat(read))))


def possible_terms(text: str) -> list[int]:
    """Each term once that a document may have of the words of ``text``, whatever language it is in.

    A word goes in as it is written, as English, and in the language whose stop words the text has most of, in all that
    have as many: in every one where it has none. Where two or more words tell one language its stop words are left out.
    """
    words = _words(text)
    said = {language: sum(_is_stop_word(word, language) for word in words) for language in STEMMED}
    most = max(said.values())
    likely = tuple(language for language, count in said.items() if count == most)
    if most < _TELLING or len(likely) > 1:
        forms = (_possible(word, likely) for word in words)
    else:
        forms = (_possible(word, likely) for word in words if not _is_stop_word(word, likely[0]))
    return list(dict.fromkeys(chain.from_iterable(forms)))


def sure_terms(text: str) -> list[int]:
    """Terms of which every document that holds the words of ``text``, in any language, has one; none where a document
    may have dropped all of those words as its language's stop words."""
    words = _words(text)
    by_language = [{term for word in words for term in _terms(word, read)} for read in (AS_WRITTEN, *STEMMED)]
    return sorted(set().union(*by_language)) if all(by_language) else []


def _words(text: str) -> list[str]:
    if text.isascii():
        words: list[str] = _PLAIN_WORD.findall(text)
    else:
        text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
        text = _UNSPACED.sub(_pairs, text)
        words = _WORD.findall(text)
    names = (name for name in _JOINED.findall(text) if len(name) <= LONGEST and _NAMED.search(name))
    return [*words, *(_BETWEEN.sub("_", name) for name in names)]


def _pairs(run: re.Match[str]) -> str:
    signs = run[0]
    return f" {' '.join(map(''.join, pairwise(signs))) or signs} "


@lru_cache(200_000)
def _terms(word: str, language: str) -> tuple[int, ...]:
    """A word's term, none where it is a stop word; and those of its parts, where it is a name put together of words."""
    forms = (_stem(word.lower(), language), *(_stem(part.lower(), language) for part in _parts(word)))
    return tuple(_id(form) for form in forms if form)


def _possible(word: str, likely: Sequence[str]) -> Iterator[int]:
    for language in dict.fromkeys((AS_WRITTEN, *likely, UNKNOWN)):
        yield from _terms(word, language)


def _parts(word: str) -> Sequence[str]:
    if not _HUMP.search(word):
        return ()
    parts = [part for part in _PART.findall(word) if len(part) > 1]
    return parts if len(parts) > 1 else ()


def _stem(word: str, language: str) -> str:
    """ "" for a stop word."""
    if language not in STEMMED or "_" in word:
        return _fold(word)[:LONGEST]
    if _is_stop_word(word, language):
        return ""
    # Latin letters lose their accents first, so that a word has one stem however it is typed; й is a letter of its own.
    plain = _fold(word) if _LATIN.fullmatch(word) else word
    with _one_at_a_time:
        return _fold(str(_stemmer(language).stemWord(plain)))[:LONGEST]


@lru_cache(200_000)
def _is_stop_word(word: str, language: str) -> bool:
    """By the engine's lists, which have no other door: a query for a stop word alone is empty."""
    return word.isalpha() and not _lists(language).embed_query(word).indices


def _fold(word: str) -> str:
    """Without accents and case."""
    if word.isascii():
        return word
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", word.casefold())).translate(_SAME)


def _id(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass"))


@cache
def _lists(language: str) -> Bm25:
    return Bm25(Bm25Config(language=STEMMED[language], ascii_folding=False))


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(STEMMED[language], 0)
