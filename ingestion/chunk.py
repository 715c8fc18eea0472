"""Chunking: a document's elements → the passages that are embedded, searched and cited.

By structure: a chunk keeps to one section, a heading stays with what follows it, a table is kept whole
where it fits and is cut between rows where it does not, text is cut between elements, then between
sentences, then between words. Only tiny sections are put together, and only under one parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Literal

from ingestion.parse.document import Element, Kind, Parsed
from vouch.core.errors import BadConfig
from vouch.core.places import STEP, Place, place_at
from vouch.core.sentences import ROW_SEPARATOR, sentences
from vouch.core.types import Span

CountTokens = Callable[[list[str]], list[int]]
"""Tokens of each text, as the embedder counts them; special tokens may be counted or not."""

TARGET = 180
LIMIT = 200
"""Tokens. The packaged embedder reads 256; what is left is for the title and the heading path."""

CHUNKER = "structure.v1"
"""How new generations cut, unless another way is asked for. A change of what a name means needs a name of its own."""
CHUNKERS: Mapping[str, tuple[int, int]] = {"structure.v1": (TARGET, LIMIT), "structure-short.v1": (90, 110)}
"""Target and limit by name."""
COUNTED_BY = "@"
"""Parts a chunker's name from that of the embedder whose tokens it counts, where that is not the packaged one."""
_JOINT = 2
"""Tokens that joining two pieces may cost at most (a line end, a word split differently)."""
_HEADINGS = ("heading", "title")


def chunker_named(name: str) -> tuple[int, int]:
    """Target and limit. Raises :class:`BadConfig` for what this version of Vouch does not have."""
    plain = name.partition(COUNTED_BY)[0]
    if plain not in CHUNKERS:
        raise BadConfig(f"there is no chunker {plain!r}; there are {', '.join(CHUNKERS)}", field="chunker")
    return CHUNKERS[plain]


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """One chunk. Its text is ``parsed.text[span.start:span.end]``, exactly."""

    ordinal: int
    span: Span
    kind: Literal["text", "table", "code"]
    heading_path: tuple[str, ...]
    place: str
    places: tuple[Place, ...] = ()
    """Of its parts, where they are not all at one."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut: an element, or a row, sentence or run of words of one too long to stay whole."""

    start: int
    end: int
    tokens: int
    kind: Kind
    path: tuple[str, ...]
    place: str
    places: tuple[Place, ...]


def chunk(parsed: Parsed, count_tokens: CountTokens, *, target: int = TARGET, limit: int = LIMIT) -> list[ChunkDraft]:
    """Chunks of ``parsed``, ascending, not overlapping, together covering all of its text that is not blank.

    None is above ``limit`` tokens, as long as one character is not; most are near ``target``. Deterministic.
    Raises ValueError unless 0 < target <= limit.
    """
    if not 0 < target <= limit:
        raise ValueError(f"target {target} and limit {limit} do not fit together")
    pieces = _pieces(parsed, count_tokens, limit)
    packed = [part for section in _sections(pieces) for part in _pack(section, target, limit)]
    packed = _merge_tiny(packed, target)
    packed = _within_limit(parsed.text, packed, count_tokens, limit)
    return [_draft(i, part) for i, part in enumerate(packed)]


# --- pieces --------------------------------------------------------------------------------------


def _pieces(parsed: Parsed, count_tokens: CountTokens, limit: int) -> list[_Piece]:
    text = parsed.text
    whole = [_trimmed(text, e.span.start, e.span.end) for e in parsed.elements]
    counts = count_tokens([text[a:b] for a, b in whole]) if whole else []
    pieces: list[_Piece] = []
    for element, (start, end), tokens in zip(parsed.elements, whole, counts, strict=True):
        piece = _Piece(start, end, tokens, element.kind, element.heading_path, element.place, element.places)
        if tokens <= limit:
            pieces.append(piece)
        else:
            pieces += _split(text, piece, _cuts(text, element), count_tokens, limit)
    return pieces


def _cuts(text: str, element: Element) -> list[int]:
    """Where an element is best cut: before each row, line of code or sentence."""
    if element.rows:
        return [row.start for row in element.rows[1:]]
    start, end = element.span.start, element.span.end
    if element.kind == "code":
        return [i + 1 for i in range(start, end - 1) if text[i] == "\n"]
    found = sentences(text[start:end])
    # A list marker stands before its sentence's span and goes with it: cut after the sentence above.
    return [_skip_space(text, start + span.end, end) for span in found[:-1]]


def _split(text: str, piece: _Piece, cuts: Sequence[int], count_tokens: CountTokens, limit: int) -> list[_Piece]:
    """``piece`` cut at ``cuts``, and, where a part is still too long, at cells, words, characters."""
    edges = [piece.start, *(c for c in cuts if piece.start < c < piece.end), piece.end]
    spans = [_trimmed(text, a, b) for a, b in pairwise(edges)]
    spans = [(a, b) for a, b in spans if a < b]
    counts = count_tokens([text[a:b] for a, b in spans])
    parts: list[_Piece] = []
    for (start, end), tokens in zip(spans, counts, strict=True):
        part = replace(piece, start=start, end=end, tokens=tokens)
        if tokens <= limit or end - start == 1:
            parts.append(part)
        else:
            parts += _split(text, part, _finer_cuts(text, start, end), count_tokens, limit)
    return parts


def _finer_cuts(text: str, start: int, end: int) -> list[int]:
    """About the middle of what no row or sentence end cuts: between cells, between words, or anywhere."""
    middle = (start + end) // 2
    for separator in (ROW_SEPARATOR, "\n", "; ", ", ", " "):
        before, after = text.rfind(separator, start + 1, middle), text.find(separator, middle, end - len(separator))
        near = [at + len(separator) for at in (before, after) if at >= 0]
        best = min(near, key=lambda at: abs(at - middle), default=None)
        if best is not None and 4 * abs(best - middle) <= end - start:
            return [best]
    return [middle]


# --- packing -------------------------------------------------------------------------------------


def _sections(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Runs of one heading path; headings with nothing of their own lead the section below them."""
    headings: list[_Piece] = []
    for _, group in groupby(pieces, key=lambda piece: piece.path):
        section = [*headings, *group]
        if all(piece.kind in _HEADINGS for piece in section):
            headings = section
        else:
            yield section
            headings = []
    if headings:
        yield headings


def _pack(section: Sequence[_Piece], target: int, limit: int) -> Iterator[list[_Piece]]:
    """The pieces of one section, gathered into chunks of about ``target`` tokens."""
    part: list[_Piece] = []
    tokens = 0
    for i, piece in enumerate(section):
        leads = piece.kind in _HEADINGS and i + 1 < len(section)
        needed = piece.tokens + (section[i + 1].tokens if leads else 0)
        full = tokens + needed > target and (tokens + needed > limit or tokens >= target // 2)
        if part and full and not _only_headings(part, tokens, piece, limit):
            yield part
            part, tokens = [], 0
        part.append(piece)
        tokens += piece.tokens
    if part:
        yield part


def _only_headings(part: Sequence[_Piece], tokens: int, piece: _Piece, limit: int) -> bool:
    """Whether ``part`` is so far a heading that should not be left alone."""
    return tokens + piece.tokens <= limit and all(p.kind in _HEADINGS for p in part)


def _merge_tiny(parts: Sequence[list[_Piece]], target: int) -> list[list[_Piece]]:
    """Neighbours of which one is tiny put together: in one section, or in two under the same parent."""
    merged: list[list[_Piece]] = []
    for part in parts:
        if merged and _may_merge(merged[-1], part, target):
            merged[-1] = [*merged[-1], *part]
        else:
            merged.append(part)
    return merged


def _may_merge(above: Sequence[_Piece], below: Sequence[_Piece], target: int) -> bool:
    a, b = _tokens(above), _tokens(below)
    if a + b > target or min(a, b) > target // 2 or (a > target // 3 and b > target // 3):
        return False
    outer, inner = _common_path(above), _common_path(below)
    if outer == inner:
        return True
    if outer and above[0].kind not in _HEADINGS:
        return False  # the end of a longer section, which would lose its heading
    siblings = len(outer) == len(inner) and outer[:-1] == inner[:-1]
    nested = inner[: len(outer)] == outer or outer[: len(inner)] == inner
    return siblings or nested


def _within_limit(
    text: str, parts: Sequence[list[_Piece]], count_tokens: CountTokens, limit: int
) -> list[list[_Piece]]:
    """Parts whose pieces were counted one by one, counted whole where that could matter, and halved until they fit."""
    doubtful = [i for i, part in enumerate(parts) if len(part) > 1 and _tokens(part) + _JOINT * len(part) > limit]
    counts = count_tokens([text[parts[i][0].start : parts[i][-1].end] for i in doubtful]) if doubtful else []
    too_long = {i for i, tokens in zip(doubtful, counts, strict=True) if tokens > limit}
    fitting: list[list[_Piece]] = []
    for i, part in enumerate(parts):
        if i in too_long:
            middle = len(part) // 2
            fitting += _within_limit(text, [part[:middle], part[middle:]], count_tokens, limit)
        else:
            fitting.append(part)
    return fitting


def _draft(ordinal: int, part: Sequence[_Piece]) -> ChunkDraft:
    kinds = {p.kind for p in part if p.kind not in _HEADINGS}
    kind: Literal["text", "table", "code"] = "table" if kinds == {"table"} else "code" if kinds == {"code"} else "text"
    span = Span(part[0].start, part[-1].end)
    places = _joined(place for piece in part for place in _places(piece))
    # Where nothing but headings is known, those that all of it stands under tell of the whole.
    place = place_at(places, span) if any(piece.place or piece.places for piece in part) else ""
    return ChunkDraft(ordinal, span, kind, _common_path(part), place, places if len(places) > 1 else ())


def _joined(places: Iterable[Place]) -> tuple[Place, ...]:
    """Neighbours at one place as one."""
    joined: list[Place] = []
    for one in places:
        if joined and (joined[-1].name, joined[-1].row) == (one.name, one.row):
            joined[-1] = replace(one, span=Span(joined[-1].span.start, one.span.end))
        else:
            joined.append(one)
    return tuple(joined)


def _places(piece: _Piece) -> Iterator[Place]:
    """Of what the piece shows of its element."""
    if not piece.places:
        yield Place(Span(piece.start, piece.end), piece.place or STEP.join(piece.path))
    for one in piece.places:
        start, end = max(one.span.start, piece.start), min(one.span.end, piece.end)
        if start < end:
            yield replace(one, span=Span(start, end))


def _common_path(part: Sequence[_Piece]) -> tuple[str, ...]:
    """The headings that all of the part's text stands under."""
    body = [piece for piece in part if piece.kind not in _HEADINGS] or part[-1:]
    path = body[0].path
    for piece in body[1:]:
        shared = 0
        while shared < min(len(path), len(piece.path)) and path[shared] == piece.path[shared]:
            shared += 1
        path = path[:shared]
    return path


def _tokens(part: Sequence[_Piece]) -> int:
    return sum(piece.tokens for piece in part)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    start = _skip_space(text, start, end)
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
