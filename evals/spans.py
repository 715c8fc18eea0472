"""How well passages enclose the text that answers: recall, precision and IoU of evidence, and whose offsets they are.

The measures are those of the chunk-spans set's own repository: over code points; of the first five passages; a passage
of another document counts against precision; pieces of evidence that overlap count each; and so do passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from evals.datasets import Evidence
from vouch.core.errors import BadEvalSet
from vouch.core.types import Span

MEASURES = ("evidence_recall_5", "evidence_precision_5", "evidence_iou_5")


def enclosed(evidence: Sequence[Evidence], passages: Sequence[Evidence]) -> dict[str, float]:
    """The three measures of ``passages``, which are the ones shown; 0 where there are none."""
    found = sum(_length(_union(_shared(evidence, passages, document))) for document in {e.document for e in evidence})
    wanted = sum(e.span.end - e.span.start for e in evidence)
    shown = sum(p.span.end - p.span.start for p in passages)
    missed = sum(_missed(one, passages) for one in evidence)
    values = (found / wanted, found / shown if shown else 0.0, found / (shown + missed) if shown + missed else 0.0)
    return dict(zip(MEASURES, values, strict=True))


def overlaps(one: Evidence, others: Sequence[Evidence]) -> bool:
    """Whether ``one`` holds any of ``others``."""
    return any(_length(_shared([other], [one], one.document)) for other in others)


class Offsets:
    """From spans of a text as it was read to spans of the text as the set has it.

    Reading squeezes and joins white space and changes nothing else, so characters that are no white space are counted.
    """

    def __init__(self, document: str, own: str, read: str) -> None:
        """Raises :class:`BadEvalSet` where reading does more than that: then its spans point nowhere."""
        self._own = [i for i, character in enumerate(own) if not character.isspace()]
        self._before = [0, *accumulate(not character.isspace() for character in read)]
        if self._before[-1] != len(self._own):
            detail = f"{document!r}: reading takes characters out of this text or joins them; write it in Unicode's NFC"
            raise BadEvalSet(detail, file=document, line=0, reason="text_changes")

    def of(self, span: Span) -> Span:
        """The same characters in the set's own text; an empty span where there are none."""
        first, last = self._before[span.start], self._before[span.end]
        if first == last:
            return Span(0, 0)
        return Span(self._own[first], self._own[last - 1] + 1)


def _shared(evidence: Sequence[Evidence], passages: Sequence[Evidence], document: str) -> list[Span]:
    """What of the evidence in ``document`` the passages hold, piece by piece."""
    pairs = ((e.span, p.span) for e in evidence for p in passages if e.document == p.document == document)
    starts_ends = ((max(a.start, b.start), min(a.end, b.end)) for a, b in pairs)
    return [Span(start, end) for start, end in starts_ends if start < end]


def _missed(one: Evidence, passages: Sequence[Evidence]) -> int:
    held = _length(_union(_shared([one], passages, one.document)))
    return one.span.end - one.span.start - held


def _union(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _length(spans: Sequence[Span]) -> int:
    return sum(span.end - span.start for span in spans)
