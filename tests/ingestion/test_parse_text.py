"""Normalising, tables as lines, languages: what all formats share."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.parse import parse, table
from ingestion.parse.document import Block
from ingestion.parse.language import language
from ingestion.parse.normalise import normalise
from vouch.core.errors import DocumentRejected

_ODD = st.sampled_from([*"\u200b\u200d\ufeff\u202e\u00ad\x00\x07\r\n\t \u00a0e\u0301ﬁ안👨👩", "\r\n", "\ud800"])
ANY_TEXT = st.lists(st.one_of(_ODD, st.characters()), max_size=60).map("".join)


@given(ANY_TEXT, st.booleans())
def test_normalised_text_has_one_form(text: str, layout: bool) -> None:
    once = normalise(text, keep_layout=layout)
    assert normalise(once, keep_layout=layout) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\n\n\n" not in once
    once.encode("utf-8")
    for char in once:
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(char) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("pass\u200bword", "password"),
        ("pass\u200dword", "password"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("e\u200b\u0301", "é"),
        ("a\U000e0041\U000e0042b", "ab"),
        ("a\u202eb", "ab"),
        ("a \n\n\n\n b", "a\n\nb"),
        ("a\u00a0 b\tc", "a b c"),
    ],
)
def test_invisible_characters_go_and_meaningful_ones_stay(text: str, clean: str) -> None:
    assert normalise(text) == clean


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .#*-_`[]()|<>!\n\t&:1\u200b\u00e9\u4e2d"), max_size=200))
def test_any_markdown_and_text_gives_elements_that_cover_it(source: str) -> None:
    for name in ("a.md", "a.txt"):
        try:
            parsed = parse(source.encode(), name)
        except DocumentRejected as refused:
            assert refused.reason in ("empty", "no_text")
            continue
        joined = "".join(e.span.of(parsed.text) for e in parsed.elements)
        assert "".join(joined.split()) == "".join(parsed.text.split())


def rows(*lines: str, header: int | None = None) -> list[str]:
    return table.render(Block("table", rows=tuple(tuple(line.split("|")) for line in lines), header_rows=header))


def test_rows_carry_their_headers() -> None:
    assert rows("Plan|Price", "Gold|20") == ["Plan: Gold | Price: 20"]
    assert rows("Plan|Price|Note", "Gold||x", "Silver|10|") == ["Plan: Gold | Note: x", "Plan: Silver | Price: 10"]


def test_a_table_without_a_header_keeps_its_cells() -> None:
    assert rows("1|2|3", "4|5|5") == ["1 | 2 | 3", "4 | 5 | 5"]
    assert rows("Name:|Alice", "Mail:|a@b.example") == ["Name: Alice", "Mail: a@b.example"]


def test_several_header_rows_and_section_rows() -> None:
    assert rows("|2025|2025", "Region|Q1|Q2", "North|North|North", "EMEA|4|5", header=2) == [
        "North",
        "Region: EMEA | 2025 / Q1: 4 | 2025 / Q2: 5",
    ]


def test_html_tables_with_spans() -> None:
    block = table.from_html(
        "<table><tr><th>Room</th><th colspan=2>Use</th></tr>"
        "<tr><td rowspan=2>Basin</td><td>Talks</td><td>Film</td></tr><tr><td>Lunch</td><td>Tea</td></tr></table>"
    )
    assert block is not None
    assert table.render(block) == ["Room: Basin | Use: Talks | Use: Film", "Room: Basin | Use: Lunch | Use: Tea"]
    huge = table.from_html("<table><tr><td colspan=99999999 rowspan=99999999>x</td></tr></table>")
    assert huge is not None and len(huge.rows[0]) == 200


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("This policy says what the company pays for when people travel for it.", "en"),
        ("Diese Richtlinie gilt für alle Mitarbeiter und wird von der Leitung geprüft, die auch haftet.", "de"),
        ("Cette politique est valable pour tous les salariés et les visiteurs qui sont dans nos locaux.", "fr"),
        ("Esta política es válida para todos los empleados y las visitas que están en la oficina.", "es"),
        ("这是一个关于差旅费用的公司政策文件。", "zh"),
        ("これは会社の方針に関する文書です。", "ja"),
        ("이 문서는 회사의 정책에 관한 것입니다.", "ko"),
        ("هذه السياسة تسري على جميع الموظفين", "ar"),
        ("Эта политика действует для всех, и это не изменится, как и то, что она по-русски.", "ru"),
        ("Budget 2025 Q1", "und"),
        ("12 34 56", "und"),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language(text) == code
