"""Entailment by a sentence-transformers cross-encoder. Importing that takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from vouch.core.errors import ModelUnavailable
from vouch.gateway.entail import UNTOLD, Judged, Stated
from vouch.gateway.entail_reading import Text, lines
from vouch.gateway.weights import ModelFiles

BATCH = 16
THRESHOLD, FLOOR = 0.5, 0.2
"""Nobody has calibrated a model that is only named."""
_SUPPORTED = frozenset({"entailment", "entails", "supported", "supports", "consistent", "grounded"})
_CONTRADICTED = frozenset({"contradiction", "contradicts", "contradicted", "refuted", "refutes"})


class CrossEncoderEntailer:
    """An :class:`vouch.gateway.entail.Entailer` in float32 on the CPU.

    A model of one score gives the probability of support, as MiniCheck's and HHEM's kind do; one of several outcomes
    says in its configuration (`id2label`) which of them is support.
    """

    threshold = THRESHOLD
    floor = FLOOR
    let_through: Mapping[float, tuple[float, float]] = MappingProxyType({})

    def __init__(self, files: ModelFiles, threads: int) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        torch.set_num_threads(threads)
        self._model = CrossEncoder(
            str(files.folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
        )
        self._outcomes = outcomes(self._model.config.id2label, files.id) if self._model.num_labels > 1 else None
        self._longest = int(self._model.max_seq_length or 512)
        self.name = f"cross-encoder:{files.id}@{files.digest[:16]}"
        # transformers sets padding and truncation on the tokeniser in every call: threads must not share it.
        self._lock = threading.Lock()

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        with self._lock:
            read = [at for at, pair in enumerate(pairs) if pair.evidence.strip() and self._fits(pair.claim)]
            found = [UNTOLD] * len(pairs)
            if read:
                texts = [(self._part(pairs[at]), pairs[at].claim) for at in read]
                scores = self._model.predict(
                    texts,
                    batch_size=BATCH,
                    show_progress_bar=False,
                    activation_fn=self._probabilities(),
                )
                for at, row in zip(read, np.asarray(scores, np.float64), strict=True):
                    found[at] = self._judged(row)
        return found

    def _part(self, pair: Stated) -> str:
        """The evidence, or of one that is too long what the claim is likest to; the model's own cut is for the rest."""
        words = self._longest // 2
        if len(pair.evidence.split()) <= words:
            return pair.evidence
        return Text.of(lines(pair.evidence)).beside(pair.claim, words)

    def _fits(self, claim: str) -> bool:
        count = len(self._model.tokenizer(claim, truncation=False, verbose=False)["input_ids"]) if claim.strip() else 0
        return 0 < count <= self._longest // 2

    def _probabilities(self) -> object:
        import torch

        return torch.nn.Sigmoid() if self._outcomes is None else torch.nn.Softmax(dim=-1)

    def _judged(self, row: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Judged:
        if self._outcomes is None:
            supported, contradicted = float(row), 0.0
        else:
            support, against = self._outcomes
            supported, contradicted = float(row[support]), float(row[against]) if against is not None else 0.0
        return Judged(supported, contradicted, max(0.0, 1.0 - supported - contradicted))


def outcomes(labels: Mapping[int, str], model: str) -> tuple[int, int | None]:
    """Which outcome is support and which, if any, contradiction. Raises :class:`ModelUnavailable` where none is named
    as support: guessing would let everything through, or nothing."""
    named = {str(label).lower(): int(at) for at, label in labels.items()}
    support = [at for label, at in named.items() if label in _SUPPORTED]
    against = [at for label, at in named.items() if label in _CONTRADICTED]
    if len(support) != 1:
        raise ModelUnavailable(f"{model} does not say which of {', '.join(labels.values())} is support.")
    return support[0], against[0] if against else None
