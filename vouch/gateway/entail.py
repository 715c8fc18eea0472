"""Does the evidence say what the claim says? The protocol, and which model serves it.

This is the dearest of the checks that a claim goes through (`retrieval/verify.py`), and the one that reads for meaning:
rules see that a number is another, a model that "bought" is not "sold".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vouch.core.settings import Settings
from vouch.gateway.weights import locate

CROSS_ENCODER = "cross-encoder:"
CHAT = "chat:"
"""Followed by a chat model's name: it is asked for each question anew (`retrieval/judge.py`)."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A claim beside what it is said to follow from: a quote with some sentences around it, or a whole text."""

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
    is below it can be refused. ``let_through``: at some thresholds the shares of supported claims and of others that
    are above, on data held out; empty where nobody has measured it.
    """

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def floor(self) -> float: ...

    @property
    def let_through(self) -> Mapping[float, tuple[float, float]]: ...

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        """One judgement a pair, in their order, whatever the company. Evidence or a claim without words is not enough.

        Of evidence longer than the model reads it reads a part; a claim longer than that is not enough, since nobody
        has read all of it.
        """


def load_entailer(settings: Settings) -> Entailer | None:
    """The entailer of ``settings.entailment``: ``embedded`` the one that comes with Vouch, ``cross-encoder:<hub name or
    folder>`` a sentence-transformers cross-encoder. None with ``none``, and with ``chat:<model>``, which is asked
    through the gateway.

    Raises:
        WrongWeights: files of the packaged model or of the embedded entailer are not those we expect.
        ModelUnavailable: the model is not here, cannot be fetched, or does not say which of its outcomes is support;
            or OpenVINO was demanded and does not serve it.
    """
    if settings.entailment == "none" or settings.entailment.startswith(CHAT):
        return None
    if settings.entailment == "embedded":
        from vouch.gateway.entail_embedded import load_embedded

        return load_embedded(settings)
    from vouch.gateway.entail_cross import CrossEncoderEntailer

    files = locate(settings.entailment.removeprefix(CROSS_ENCODER))
    return CrossEncoderEntailer(files, settings.embed_threads)
