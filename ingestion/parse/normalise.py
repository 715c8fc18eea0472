"""One form of text: what is stored, shown, quoted and searched."""

from __future__ import annotations

import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
# Controls; soft hyphen; zero-width and bidirectional controls; lone surrogates; noncharacters; the tag
# characters and the supplementary variation selectors, which can carry hidden text.
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Of these, what is used to hide text from a reader or to show it in another order; a lone soft hyphen or byte order
# mark is nobody's trick. Two variation selectors in a row select nothing: they carry bytes.
_HIDING = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\U000e0000-\U000e0fff]|[\ufe00-\ufe0f]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f]{2,}")
# Joiners mean something between letters of some scripts and inside emoji, never next to ASCII.
_JOINERS = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\u200c\u200d])")
_TRAILING = re.compile(r"[ \t]+(?=\n|$)")
_RUNS = re.compile(r"[ \t]{2,}|\t")
_INDENT = re.compile(r"(?<=\n)[ \t]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def normalise(text: str, *, keep_layout: bool = False) -> str:
    """NFC, ``\\n``, no invisible characters, runs of spaces and of blank lines squeezed, ends trimmed.

    With ``keep_layout`` (code) spaces within and before a line stay, tabs become four spaces.
    Idempotent.
    """
    text = _LINE_ENDS.sub("\n", text)
    if not text.isascii():
        text = _SELECTORS.sub("", _REMOVED.sub("", _SPACES.sub(" ", text)))
        text = unicodedata.normalize("NFC", _JOINERS.sub("", text))
    else:
        text = _REMOVED.sub("", text)
    text = text.replace("\t", "    ") if keep_layout else _INDENT.sub("", _RUNS.sub(" ", text))
    text = _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text))
    return text.strip("\n").rstrip() if keep_layout else text.strip()


def hiding(text: str) -> int:
    """How many characters of ``text`` are invisible and removed, of those that can hide something."""
    return 0 if text.isascii() else sum(map(len, _HIDING.findall(text)))


def one_line(text: str) -> str:
    """Normalised, on one line: titles, headings, table cells."""
    return " ".join(normalise(text).split())
