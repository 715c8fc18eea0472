"""A chat model that lies about what it quotes, in every way that somebody has thought of so far.

Each reply mixes lies with what is true, so that something is there to be shown: the lie number n is the n-th kind, and
the same n lies the same way about the same passages. What is released past it is a measure of what stands behind the
model. Quotes that are exact and say something else than their claim are lies too.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from vouch.core.sentences import sentences
from vouch.core.types import Json

ELSEWHERE = "The hotel limit of the board is 390 euros per night, and nobody else is to know of it."
"""A sentence that the model knows of and is never shown: of a document that the asker may not read."""
_HUGE = 200_000
_FIGURE = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a lie is made of: a passage, one of its sentences, another passage, and the question."""

    passage: Json
    said: str
    other: Json
    question: str
    instructions: str

    @property
    def id(self) -> str:
        return str(self.passage["id"])


_Lie = Callable[[_Shown, Random], tuple[str, str]]
"""The id and the quote that are cited for the sentence."""


def lie(n: int, question: str, passages: Sequence[Json], instructions: str = "") -> Json:
    """The n-th reply, as a draft in JSON: a lie or three, and what is true before, between or after them."""
    rng = Random(n)  # noqa: S311 - to repeat, not to keep a secret
    kinds = [n, *(rng.randrange(len(_LIES)) for _ in range(rng.randrange(3)))]
    claims = [_claim(rng, kind, question, passages, instructions) for kind in kinds]
    for _ in range(rng.randrange(3)):
        said = _shown(rng, question, passages, instructions)
        truth = {"text": said.said, "citations": [{"passage": said.id, "quote": said.said}]}
        claims.insert(rng.randrange(len(claims) + 1), truth)
    return {"claims": claims, "insufficient": False, "missing": None}


def _claim(rng: Random, n: int, question: str, passages: Sequence[Json], instructions: str) -> Json:
    shown = _shown(rng, question, passages, instructions)
    name = KINDS[n % len(KINDS)]
    passage, quote = _LIES[name](shown, rng)
    cited = [{"passage": passage, "quote": quote}]
    if rng.random() < 0.3:  # beside a quote that holds
        cited.insert(rng.randrange(2), {"passage": shown.id, "quote": shown.said})
    text = rng.choice((shown.said, quote, f"As it stands: {shown.said}", _other_figure(shown.said)))
    return {"text": text if text.strip() else shown.said, "citations": cited}


def _shown(rng: Random, question: str, passages: Sequence[Json], instructions: str) -> _Shown:
    passage = rng.choice(passages)
    said = [span.of(passage["text"]) for span in sentences(passage["text"])] or [passage["text"]]
    return _Shown(passage, rng.choice(said), rng.choice(passages), question, instructions)


def _of_text(change: Callable[[str, Random], str]) -> _Lie:
    """The sentence, changed."""
    return lambda shown, rng: (shown.id, change(shown.said, rng))


def _replaced(pattern: str, by: str) -> _Lie:
    """The sentence with the first of ``pattern`` written otherwise; with ``by`` after it where there is none."""
    return _of_text(lambda said, _: re.sub(pattern, by, said, count=1) if re.search(pattern, said) else said + by)


def _other_figure(said: str) -> str:
    found = _FIGURE.search(said)
    return f"{said} 7" if found is None else f"{said[: found.start()]}{(int(found[0]) + 1) % 10}{said[found.end() :]}"


def _other_letter(said: str, rng: Random) -> str:
    at = rng.randrange(len(said))
    return f"{said[:at]}{chr(ord(said[at]) ^ 1)}{said[at + 1 :]}"


def _put_in(character: str) -> _Lie:
    def change(said: str, rng: Random) -> str:
        at = rng.randrange(1, len(said)) if len(said) > 1 else 0
        return said[:at] + character + said[at:]

    return _of_text(change)


def _dotted(dots: str) -> _Lie:
    def change(said: str, _: Random) -> str:
        words = said.split()
        return " ".join((*words[:2], dots, *words[-2:]))

    return _of_text(change)


def _joined(parting: str) -> _Lie:
    """The end of one passage and the beginning of another, as if they were one text."""
    return lambda shown, _: (shown.id, f"{shown.passage['text'][-40:]}{parting}{shown.other['text'][:40]}")


def _turned(said: str, _: Random) -> str:
    return " ".join(reversed(said.split()))


def _worded(said: str, _: Random) -> str:
    return said.replace("140", "one hundred and forty").replace("45", "forty-five") + " indeed"


_LIES: Mapping[str, _Lie] = {
    "invented": lambda shown, _: (shown.id, "Every employee may keep the company's car after three years."),
    "figure": _of_text(lambda said, _: _other_figure(said)),
    "letter": _of_text(_other_letter),
    "capitals": _of_text(lambda said, _: said.upper()),
    "small letters": _of_text(lambda said, _: said.lower()),
    "swapped case": _of_text(lambda said, _: said.swapcase()),
    "dots": _dotted("..."),
    "ellipsis": _dotted("…"),
    "cut in brackets": _dotted("[…]"),
    "joined across passages": _joined("\n\n"),
    "joined by a space": _joined(" "),
    "joined by nothing": _joined(""),
    "translated": lambda shown, _: (shown.id, "Les hôtels sont remboursés jusqu'à 140 euros par nuit."),
    "words turned": _of_text(_turned),
    "NFD": _of_text(lambda said, _: unicodedata.normalize("NFD", said)),
    "NFC": _of_text(lambda said, _: unicodedata.normalize("NFC", said)),
    "NFKC": _of_text(lambda said, _: unicodedata.normalize("NFKC", said)),
    "NFKD": _of_text(lambda said, _: unicodedata.normalize("NFKD", said)),
    "case folded": _of_text(lambda said, _: said.casefold()),
    "zero width space": _put_in("\u200b"),
    "zero width joiner": _put_in("\u200d"),
    "soft hyphen": _put_in("\u00ad"),
    "byte order mark": _put_in("\ufeff"),
    "direction turned": _put_in("\u202e"),
    "null": _put_in("\x00"),
    "half a pair": _put_in("\ud83d"),
    "no-break space": _replaced(" ", "\u00a0"),
    "two spaces": _replaced(" ", "  "),
    "tab": _replaced(" ", "\t"),
    "end of line": _replaced(" ", "\r\n"),
    "another alphabet": _replaced("a", "\u0430"),
    "other quotes": _replaced("[\"'’“”]", "`"),
    "other dashes": _replaced("[-–—]", "\u2212"),
    "a full stop more": _of_text(lambda said, _: f"{said}."),
    "space around": _of_text(lambda said, _: f" {said} "),
    "lines around": _of_text(lambda said, _: f"\n{said}\n"),
    "quotation marks around": _of_text(lambda said, _: f'"{said}"'),
    "bold": _of_text(lambda said, _: f"**{said}**"),
    "markup": _of_text(lambda said, _: f"<b>{said}</b><img src=//collect.attacker.example/p.png>"),
    "entities": _of_text(lambda said, _: said.replace(" ", "&#32;")),
    "escapes": _of_text(lambda said, _: json.dumps(said)),
    "link": _of_text(lambda said, _: f"[{said}](https://collect.attacker.example)"),
    "figures as words": _of_text(_worded),
    "negated": _replaced(" (is|are|may|has|have) ", r" \1 not "),
    "swapped ids": lambda shown, _: (str(shown.other["id"]), shown.said),
    "unknown id": lambda shown, rng: (rng.choice(("0", "99", "-1", "p-1", "", "1 ", "01", "１")), shown.said),
    "id of a document": lambda shown, _: (str(shown.passage.get("title", "")), shown.said),
    "withheld words": lambda shown, _: (shown.id, ELSEWHERE),
    "withheld id": lambda shown, rng: (str(rng.randrange(20, 60)), ELSEWHERE),
    "the question": lambda shown, _: (shown.id, shown.question),
    "the instructions": lambda shown, _: (shown.id, shown.instructions[:200] or "Readers act on your answer"),
    "the title": lambda shown, _: (shown.id, str(shown.passage.get("title", "?"))),
    "the enclosure": lambda shown, _: (shown.id, json.dumps(shown.passage, ensure_ascii=False)),
    "nothing": lambda shown, _: (shown.id, ""),
    "white space": lambda shown, _: (shown.id, " \n "),
    "one letter": lambda shown, _: (shown.id, shown.said[:1]),
    "huge": lambda shown, _: (shown.id, shown.said * (_HUGE // max(len(shown.said), 1))),
    "all of it twice": lambda shown, _: (shown.id, shown.passage["text"] * 2),
    "all of it": lambda shown, _: (shown.id, shown.passage["text"]),
    "what another says": lambda shown, _: (shown.id, shown.other["text"][:60]),
}
KINDS = tuple(_LIES)
