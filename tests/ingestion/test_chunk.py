"""Chunks: what holds for every document (generated), and what structure asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.chunk import LIMIT, TARGET, ChunkDraft, chunk
from ingestion.parse import Parsed, parse
from tests.ingestion import made
from vouch.core.errors import DocumentRejected
from vouch.gateway.embed import Embedder


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: list[str]) -> list[int]:
    """Not additive: joining two pieces costs more than the pieces, as with special tokens."""
    return [len(text) // 3 + 2 for text in texts]


def check(parsed: Parsed, drafts: list[ChunkDraft], count: Callable[[list[str]], list[int]], limit: int) -> None:
    end = 0
    for i, draft in enumerate(drafts):
        assert draft.ordinal == i
        assert draft.span.start >= end
        assert not parsed.text[end : draft.span.start].strip(), "text between chunks is lost"
        piece = draft.span.of(parsed.text)
        assert piece and piece == piece.strip()
        assert count([piece])[0] <= limit or len(piece) == 1
        end = draft.span.end
    assert not parsed.text[end:].strip()


_LINE = st.text(alphabet=st.sampled_from("abc DE. é|"), min_size=1, max_size=60)
_BLOCK = st.one_of(
    _LINE,
    _LINE.map(lambda t: f"# {t}"),
    _LINE.map(lambda t: f"## {t}"),
    _LINE.map(lambda t: f"- {t}"),
    st.lists(_LINE, min_size=3, max_size=8).map(" ".join),
    st.lists(_LINE, max_size=6).map(lambda lines: "| a | b |\n|---|---|\n" + "\n".join(f"| {x} | y |" for x in lines)),
    st.lists(_LINE, max_size=5).map(lambda lines: "```\n" + "\n".join(lines) + "\n```"),
    st.integers(30, 200).map(lambda n: "x" * n),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_BLOCK, max_size=20).map("\n\n".join),
    st.sampled_from([words, characters]),
    st.integers(6, 60).flatmap(lambda limit: st.tuples(st.integers(3, limit), st.just(limit))),
)
def test_every_document(source: str, count: Callable[[list[str]], list[int]], sizes: tuple[int, int]) -> None:
    target, limit = sizes
    try:
        parsed = parse(source.encode(), "a.md")
    except DocumentRejected:
        return
    drafts = chunk(parsed, count, target=target, limit=limit)
    check(parsed, drafts, count, limit)
    assert drafts == chunk(parsed, count, target=target, limit=limit)


@pytest.mark.parametrize("name", made.EVERY_FORMAT)
def test_every_format_with_the_real_tokeniser(name: str, embedder: Embedder) -> None:
    parsed = parse(made.EVERY_FORMAT[name], name)
    check(parsed, chunk(parsed, embedder.count_tokens), embedder.count_tokens, LIMIT)


def section(name: str, length: int) -> str:
    return f"## {name}\n\n" + " ".join(f"{name.lower()}{i}." for i in range(length)) + "\n\n"


def chunks(source: str, *, target: int = TARGET, limit: int = LIMIT) -> list[tuple[str, ChunkDraft]]:
    parsed = parse(source.encode(), "a.md")
    return [(d.span.of(parsed.text), d) for d in chunk(parsed, words, target=target, limit=limit)]


def test_sections_are_not_mixed_and_headings_stay_with_their_text() -> None:
    found = chunks("# Guide\n\n" + section("Alpha", 150) + section("Beta", 150))
    assert [d.heading_path for _, d in found] == [("Alpha",), ("Beta",)]
    assert found[0][0].startswith("Guide\n\nAlpha\n\nalpha0.")
    assert found[1][0].startswith("Beta\n\nbeta0.")


def test_tiny_sections_under_one_parent_are_put_together_and_others_are_not() -> None:
    tiny = "# G\n\n# One\n\n" + section("A", 5) + section("B", 5) + "# Two\n\n" + section("C", 150)
    found = chunks(tiny)
    assert [d.heading_path for _, d in found] == [("One",), ("Two", "C")]
    assert found[0][0].startswith("G\n\nOne\n\nA\n\na0.") and found[0][0].endswith("b4.")
    assert found[1][0].startswith("Two\n\nC\n\nc0.")


def test_a_table_is_kept_whole_where_it_fits_and_cut_between_rows_where_not() -> None:
    lines = "\n".join(f"| item{i} | {i} |" for i in range(30))
    source = "Intro words here.\n\n| Name | Count |\n|---|---|\n" + lines
    whole = chunks(source)
    assert [d.kind for _, d in whole] == ["text"] and "item29" in whole[0][0]
    cut = chunks(source, target=40, limit=50)
    tables = [(text, d) for text, d in cut if d.kind == "table"]
    assert len(tables) > 2
    for text, _ in tables:
        assert all(line.startswith("Name: item") and " | Count: " in line for line in text.splitlines())


def test_long_text_is_cut_at_sentence_ends() -> None:
    source = " ".join(f"This is sentence number {i} of a long paragraph." for i in range(60))
    for text, draft in chunks(source, target=50, limit=60):
        assert text.startswith("This is") and text.endswith("paragraph.")
        assert draft.kind == "text"


def test_a_row_too_long_is_cut_between_its_cells() -> None:
    header = " | ".join(f"col{i}" for i in range(20))
    source = f"| {header} |\n|{'---|' * 20}\n| " + " | ".join(f"some words {i}" for i in range(20)) + " |"
    for text, _ in chunks(source, target=18, limit=20):
        assert text.startswith("col")


def test_places_span_pages() -> None:
    parsed = parse(made.pdf_file(), "guide.pdf")
    [only] = chunk(parsed, words, target=500, limit=500)
    assert only.place == "p. 1–2"
    by_page = chunk(parsed, words, target=40, limit=60)
    assert {d.place for d in by_page} >= {"p. 1", "p. 2"}


def test_sizes_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        chunk(parse(b"x", "a.txt"), words, target=10, limit=5)
