"""Large operations cut into small ones with the same effect, so that nothing waits long behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vouch.index.protocol import IndexOp, RemoveVersions, UpsertPoints


def batches(ops: Iterable[IndexOp], size: int) -> Iterator[IndexOp]:
    """The same operations in the same order, each naming at most ``size`` points or documents."""
    for op in ops:
        if isinstance(op, RemoveVersions):
            yield op
        elif isinstance(op, UpsertPoints):
            for start in range(0, len(op.points), size):
                yield UpsertPoints(op.points[start : start + size])
        else:
            for start in range(0, len(op.document_ids), size):
                yield replace(op, document_ids=op.document_ids[start : start + size])
