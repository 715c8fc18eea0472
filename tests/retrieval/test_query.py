"""The query language: what is read out of a text, and that any text can be read."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from retrieval.folding import fold, folded, pattern
from retrieval.query import KEYS, MOST_TERMS, Query, Term, parse, understand, understand_question
from retrieval.query_values import TYPES, mimes, moment, short_name
from retrieval.types import Question
from vouch.core import clock
from vouch.core.errors import EmptyQuestion, InvalidInput

TraceFunction = Callable[[FrameType, str, Any], Any]

SAMPLES: list[tuple[str, Query]] = [
    ("how long is parental leave?", Query("how long is parental leave?")),
    ('"parental leave" policy', Query("parental leave policy", ("parental leave",))),
    ("„zwei Wochen“ Urlaub", Query("zwei Wochen Urlaub", ("zwei Wochen",))),
    ("“two weeks” off", Query("two weeks off", ("two weeks",))),
    ("« deux semaines » de congé", Query("deux semaines de congé", ("deux semaines",))),
    ("»to uger« ferie", Query("to uger ferie", ("to uger",))),
    ("図表「千年の気温」とは", Query("図表 千年の気温 とは", ("千年の気温",))),
    ('图表"千年"的', Query("图表 千年 的", ("千年",))),
    (r'"say \"hello\" now"', Query('say "hello" now', ('say "hello" now',))),
    ("travel -draft -hotels,", Query("travel ,", (), ("draft", "hotels"))),
    ('travel -"per night"', Query("travel", (), ("per night",))),
    ("-well-known", Query("", (), ("well-known",))),
    ("source:wiki TYPE:pdf", Query("", (), (), (Term("source", "wiki"), Term("type", "pdf")))),
    ('owner:"Carol Jones" x', Query("x", (), (), (Term("owner", "Carol Jones"),))),
    ("lang:de -source:wiki", Query("", (), (), (Term("language", "de"), Term("source", "wiki", negated=True)))),
    ("(before:2025-03)", Query("( )", (), (), (Term("before", "2025-03"),))),
    ("who wrote it, after:2025?", Query("who wrote it, ?", (), (), (Term("after", "2025"),))),
    # what is none of it stays as it stands
    ("http://example.org 10:30 title:x", Query("http://example.org 10:30 title:x")),
    ("source: wiki", Query("source: wiki")),
    ('source:""', Query('source:""')),
    ("below -5 degrees --force - x -", Query("below -5 degrees --force - x -")),
    ('5" or 6" pipes', Query('5" or 6" pipes')),
    ('an "open end', Query('an "open end')),
    ('""', Query('""')),
    ("state-of-the-art", Query("state-of-the-art")),
    ("Privatpersonen und -organisationen", Query("Privatpersonen und -organisationen")),
    (r"\-draft \"as it stands", Query('-draft "as it stands')),
]


@pytest.mark.parametrize(("text", "query"), SAMPLES, ids=[text for text, _ in SAMPLES])
def test_what_is_read(text: str, query: Query) -> None:
    assert parse(text) == query


PIECES = [
    *'"“”„«»‹›「」『』＂\\- :()ab.?,é東京',
    "source:",
    "-type:",
    "before:",
    "und ",
    '-"',
    "x",
    " ",
    "  ",
    "\n",
    "0",
]


def test_any_text_is_read_and_nothing_of_it_is_made_up() -> None:
    rng = random.Random(7)
    for _ in range(20_000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 25)))
        query = parse(text)
        letters = set(text)
        said = [query.words, *query.phrases, *query.without, *(term.value for term in query.terms)]
        assert all(set(part) <= letters | {" "} for part in said), text
        assert all(part.strip() for part in said[1:]), text
        assert {term.key for term in query.terms} <= KEYS
        if query.plain and "\\" not in text:
            assert query.words == text
        assert query.lists <= (not query.looks_for)


@pytest.mark.parametrize("text", ["“" * 250, '"\\"' * 80, '" ' * 125, '-"' * 125, "source:" * 35, "„ “ " * 60])
def test_the_work_grows_with_the_length_and_not_with_its_square(text: str) -> None:
    assert _lines(text * 8) < 12 * _lines(text)


def _lines(text: str) -> int:
    """Lines of Python that reading it took."""
    lines = 0

    def count(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        parse(text)
    finally:
        sys.settrace(before)
    return lines


def asked(text: str, **more: object) -> Question:
    return Question(text, 10, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x before:2025-13-01", "before:2025-13-01"),
        ("x after:yesterday", "after:yesterday"),
        ("x after:2025-02-30", "after:2025-02-30"),
        ("x after:0000", "after:0000"),
        ("x -before:2025", "after:2025"),
        ("x type:spaceship", "type:spaceship"),
        ("-draft", "leave out"),
        ("-type:pdf", "leave out"),
        (" ".join(f"-w{chr(97 + n % 26)}{n}" for n in range(MOST_TERMS + 1)) + " x", f"{MOST_TERMS}"),
    ],
)
def test_what_can_only_be_a_mistake_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        understand(asked(text), field="query")
    assert refused.value.field == "query" and named in refused.value.detail


def test_filters_alone_list_and_are_no_question() -> None:
    assert understand(asked("type:pdf after:2025"), field="query").lists
    assert not understand(asked("type:pdf leave"), field="query").lists
    with pytest.raises(EmptyQuestion):
        understand_question(asked("type:pdf"), field="question")
    assert understand(asked("-draft", like="some"), field="query").without == ("draft",)


def test_plain_text_is_words_whatever_stands_in_it() -> None:
    text = '"as it stands" -draft before:never'
    assert understand(asked(text, plain=True), field="query") == Query(text)


def test_days_months_years_and_spans_of_time() -> None:
    with clock.frozen(datetime(2026, 3, 1, 12, 30, 15, 500, tzinfo=UTC)):
        assert moment("2025") == datetime(2025, 1, 1, tzinfo=UTC)
        assert moment("2025-03") == datetime(2025, 3, 1, tzinfo=UTC)
        assert moment("2024-02-29") == datetime(2024, 2, 29, tzinfo=UTC)
        assert moment("30d") == datetime(2026, 1, 30, 12, 30, 15, tzinfo=UTC)
        assert moment("2w") == datetime(2026, 2, 15, 12, 30, 15, tzinfo=UTC)
    assert [moment(bad) for bad in ("2025-2", "25", "2025-00", "0d", "d", "-3d", "2023-02-29")] == [None] * 7


def test_types_have_short_names_and_names_for_several() -> None:
    assert all(mimes(name) == found for name, found in TYPES.items())
    assert mimes("Mail") == ("message/rfc822", "application/vnd.ms-outlook")
    assert mimes(".PDF") == ("application/pdf",) and mimes("image/png") == ("image/png",)
    assert mimes("a/b/c") is mimes("") is None
    assert (short_name("text/markdown"), short_name("image/png")) == ("md", "image/png")


def test_every_type_that_is_read_has_a_short_name() -> None:
    from ingestion.parse.detect import _BY_SUFFIX

    assert {mime for found in TYPES.values() for mime in found} == set(_BY_SUFFIX.values())


# --- phrases in texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "text", "there"),
    [
        ("parental leave", "All Parental\n   LEAVE is paid", True),
        ("parental leave", "parental-leave", False),
        ("leave", "leaves", False),
        ("cat", "concatenate", False),
        ("ete", "en été", True),
        ("STRASSE", "die Straße", True),
        ("don't", "I don’t know", True),
        ("7-9", "pages 7–9", True),
        ("東京", "東京都庁", True),
        ("가", "각", False),
        ("か", "が", False),
        ("§ 9", "see § 9 (2)", True),
        ("C++", "in C++ and C", True),
        ("file", "the ﬁle", True),
        ("naive", "nai\u0308ve", True),
        ("lodz", "Łódź", True),
    ],
)
def test_a_phrase_is_found_where_a_person_would_find_it(phrase: str, text: str, there: bool) -> None:
    assert (pattern(phrase).search(fold(text)) is not None) is there


def test_what_is_found_in_folded_text_is_led_back_to_the_text() -> None:
    rng = random.Random(3)
    alphabet = "aé ßﬁX\u00ad’“\nœ東e\u0301ØİÅ"
    for _ in range(3_000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 20)))
        compared = folded(text)
        assert compared.text == fold(text)
        for found in re.finditer(r"\w+", compared.text):
            start, end = compared.original(*found.span())
            assert 0 <= start < end <= len(text)
            assert found[0] in fold(text[start:end]), (text, found)
