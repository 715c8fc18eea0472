"""Does the evidence say what the claim says? The protocol, and which model serves it.

This is the dearest of the checks that a claim goes through (`retrieval/verify.py`), and the one that reads for meaning:
rules see that a number is another, a model that "bought" is not "sold".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vouch.core.settings import Settings
from vouch.gateway.weights import locate

CROSS_ENCODER = "cross-encoder:"


@dataclass(frozen=True, slots=True)
class Stated:
    """A claim, one sentence, beside the text that it is said to follow from: a quote with some sentences around it."""

    evidence: str
    claim: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Probabilities that the evidence supports the claim, that it says otherwise, and that it does not tell.

    They sum to 1. A model that knows only two outcomes leaves ``contradicted`` 0.
    """

    supported: float
    contradicted: float
    not_enough: float


UNTOLD = Judged(0.0, 0.0, 1.0)


class Entailer(Protocol):
    """Judges claims by evidence. Implementations may be shared by threads.

    ``threshold`` and ``floor`` are calibrated on data for this very model and stored with it: the one parts supported
    claims from the others best, as groundedness is measured; nearly all supported claims are above the other, so what
    is below it can be refused.
    """

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def floor(self) -> float: ...

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        """One judgement a pair, in their order, whatever the company. Evidence or a claim without words is not enough.

        Evidence longer than the model reads is cut at its end; a claim longer than that is not enough, since nobody has
        read all of it.
        """


def load_entailer(settings: Settings) -> Entailer | None:
    """The entailer of ``settings.entailment``: ``none`` gives None, ``embedded`` the one that comes with Vouch, and
    ``cross-encoder:<hub name or folder>`` a sentence-transformers cross-encoder.

    Raises:
        WrongWeights: files of the packaged model or of the embedded entailer are not those we expect.
        ModelUnavailable: the model is not here, cannot be fetched, or does not say which of its outcomes is support;
            or OpenVINO was demanded and does not serve it.
    """
    if settings.entailment == "none":
        return None
    if settings.entailment == "embedded":
        from vouch.gateway.entail_embedded import load_embedded

        return load_embedded(settings)
    from vouch.gateway.entail_cross import CrossEncoderEntailer

    files = locate(settings.entailment.removeprefix(CROSS_ENCODER))
    return CrossEncoderEntailer(files, settings.embed_threads)
