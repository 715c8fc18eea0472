"""Cutting texts into the model's word pieces, without transformers.

``tokenizer.json`` may carry padding and truncation of its own: the packaged model's fixes both to 128, half of
what the model reads. Both are therefore set here, never taken from the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

PAD_TO = 16
"""Lengths are padded to a multiple of this: the runtime keeps compiled kernels and buffers per shape, and
a separate shape per length costs hundreds of megabytes."""


class WordPieces:
    """Two tokenisers over one file, one that cuts at ``max_tokens`` and one that does not.

    Neither is changed after construction, so threads share them.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        path = str(folder / "tokenizer.json")
        self._cutting: Tokenizer = Tokenizer.from_file(path)
        self._cutting.no_padding()
        self._cutting.enable_truncation(max_tokens)
        self._whole: Tokenizer = Tokenizer.from_file(path)
        self._whole.no_padding()
        self._whole.no_truncation()

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, with the model's special tokens, at most ``max_tokens`` long."""
        return [encoding.ids for encoding in self._cutting.encode_batch_fast(list(texts))]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each whole text, the model's special tokens included."""
        return [len(encoding) for encoding in self._whole.encode_batch_fast(list(texts))]


def padded(rows: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids and mask, both of shape (rows, longest row rounded up to :data:`PAD_TO`). Id 0 fills; the mask hides it."""
    width = -(-max(map(len, rows)) // PAD_TO) * PAD_TO
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask
