"""The entailer that comes with Vouch: the packaged MiniLM with an adapter, on OpenVINO, free of torch.

The adapter (`entail.v1.safetensors`, made by `evals/fit_entail.py`) holds what training has changed: beside each matrix
of the encoder one of low rank, its small vectors anew, and a head. Beside it lies what was measured
(`entail.v1.json`): the SHA-256 of the adapter, the calibration with its threshold, and pairs with the probabilities
that float32 gives them, which every runtime is held against before it judges anything.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from vouch.core.errors import ModelUnavailable, WrongWeights
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway import ir
from vouch.gateway.bert import LINEAR, Floats, Rows, Shape, Weights, graph, layer_name, states
from vouch.gateway.embed_openvino import length_sorted
from vouch.gateway.entail import UNTOLD, Judged, Stated
from vouch.gateway.entail_reading import Counted, Text, lines, parts
from vouch.gateway.entail_weighing import Calibration
from vouch.gateway.weights import PACKAGED, file_digest, locate
from vouch.gateway.word_pieces import PAD_TO, WordPieces

log = logging.getLogger(__name__)

VERSION = "entail.v1"
SHAPE = Shape(layers=6, heads=12, width=384)
EVIDENCE = 160
"""Word pieces of evidence that are read, and of a claim."""
CLAIM = 128
REST, FOUND, NEW, SHARED = range(4)
"""What a word piece is, in the place of BERT's two types of text: of the evidence alone, of the claim and found in the
evidence, of the claim alone, of the evidence and found in the claim. To see what is new takes a network a hundred
thousand examples and us one comparison."""
BATCH = 2
"""Of like lengths: in larger ones the five claims of an answer would all be filled up to the longest."""
OFF_BY = 0.05
"""How far a runtime's probability of support may be from float32's on any probe, and on the mean of them."""
OFF_ON_MEAN = 0.01

Encode = Callable[[Rows], Floats]


@dataclass(frozen=True, slots=True)
class Head:
    """What makes a judgement of the encoder's states. ``word``: how wrong each word piece of the claim is; the worst
    counts ``worst``."""

    word: Floats
    word_bias: Floats
    whole: Floats
    bias: Floats
    worst: Floats

    def __call__(self, found: Floats, rows: Rows) -> list[Judged]:
        claim = ((rows.types == FOUND) | (rows.types == NEW)).astype(np.float32)
        wrong = np.where(claim > 0, found @ self.word + self.word_bias, np.float32(-1e4)).max(axis=1)
        mean = np.matmul(claim[:, None, :], found)[:, 0] / claim.sum(axis=1, keepdims=True)
        logits = np.concatenate([found[:, 0], mean], axis=1) @ self.whole.T + self.bias + wrong[:, None] * self.worst
        powers = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
        return [Judged(*map(float, row)) for row in powers / powers.sum(axis=1, keepdims=True)]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found by held-out data, see :class:`vouch.gateway.entail.Entailer`. ``probes``: pairs with float32's
    probabilities."""

    calibration: Calibration = field(default_factory=Calibration)
    threshold: float = 0.5
    floor: float = 0.0
    let_through: Mapping[float, tuple[float, float]] = field(default_factory=dict)
    probes: Sequence[Json] = ()

    @classmethod
    def of(cls, record: Json) -> Measured:
        curve = {float(at): (shares[0], shares[1]) for at, shares in record["trained"]["let_through"].items()}
        calibration = Calibration(**record["calibration"])
        return cls(calibration, float(record["threshold"]), float(record["floor"]), curve, record["probes"])


class EmbeddedEntailer:
    """An :class:`vouch.gateway.entail.Entailer` over ``encode``, which threads may share."""

    def __init__(self, name: str, measured: Measured, encode: Encode, head: Head) -> None:
        self.name = name
        self.threshold, self.floor, self.let_through = measured.threshold, measured.floor, measured.let_through
        self._calibrated = measured.calibration
        self._encode = encode
        self._head = head
        # Nothing is added and nothing cut: what goes where is decided here.
        self._pieces = WordPieces(locate(PACKAGED).folder, EVIDENCE + 2)

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        return [self._calibrated(told, counted) if told else UNTOLD for told, counted in self.read(pairs)]

    def read(self, pairs: Sequence[Stated]) -> list[tuple[list[Judged], Counted]]:
        """Of each pair what the network says of the claim's sentences, and what is counted; of what cannot be read,
        nothing."""
        texts = [Text.of(lines(pair.evidence)) for pair in pairs]
        split = [parts(pair.claim) for pair in pairs]
        asked = [Stated(text.beside(part), part) for text, its in zip(texts, split, strict=True) for part in its]
        judged = iter(self._judged(asked))
        found: list[tuple[list[Judged], Counted]] = []
        for pair, text, its in zip(pairs, texts, split, strict=True):
            told = [next(judged) for _ in its]
            whole = [one for one in told if one is not None]
            found.append((whole if len(whole) == len(told) else [], text.counted(pair.claim)))
        return found

    def _judged(self, pairs: Sequence[Stated]) -> list[Judged | None]:
        """In batches of about the same length, whichever claim they are of. None of what cannot be read."""
        found: list[Judged | None] = [None] * len(pairs)
        if not pairs:
            return found
        evidence = self._pieces.ids([pair.evidence for pair in pairs])
        claims = self._pieces.ids([pair.claim for pair in pairs])
        readable = [at for at in range(len(pairs)) if len(evidence[at]) > 2 and 2 < len(claims[at]) <= CLAIM + 2]
        lengths = [len(evidence[at]) + len(claims[at]) for at in readable]
        for batch in length_sorted(lengths, BATCH):
            at = [readable[n] for n in batch]
            rows = together([(evidence[n], claims[n]) for n in at])
            for n, judged in zip(at, self._head(self._encode(rows), rows), strict=True):
                found[n] = judged
        return found


def together(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Rows:
    """Evidence and claim in a row, both with the model's marks around them; one of two marks that meet goes."""
    width = -(-max(len(evidence) + len(claim) - 1 for evidence, claim in pairs) // PAD_TO) * PAD_TO
    ids, mask, types = (np.zeros((len(pairs), width), np.int64) for _ in range(3))
    for at, (evidence, claim) in enumerate(pairs):
        split, end = len(evidence), len(evidence) + len(claim) - 1
        ids[at, :split], ids[at, split:end] = evidence, claim[1:]
        mask[at, :end] = 1
        types[at, :end] = kinds(evidence, claim[1:])
    return Rows(ids, mask, types)


def kinds(evidence: Sequence[int], claim: Sequence[int]) -> list[int]:
    """Of each word piece of both."""
    said, asked = frozenset(evidence), frozenset(claim)
    return [
        *(SHARED if piece in asked else REST for piece in evidence),
        *(FOUND if piece in said else NEW for piece in claim),
    ]


def load_embedded(settings: Settings) -> EmbeddedEntailer:
    """The entailer on the fastest runtime that agrees with float32, which is tried each time: it takes a second.

    Raises:
        WrongWeights: the packaged model or the adapter is not the one we expect.
        ModelUnavailable: OpenVINO was demanded and does not serve it.
    """
    digest, measured, weights, head = read(Path(__file__).parent)
    name, why_not = f"{VERSION}@{digest[:16]}", "as configured"
    if settings.embed_runtime != "sentence-transformers":
        why_not = "openvino is not installed"
        if find_spec("openvino"):
            for precision in candidates():
                encode = on_openvino(weights, precision, settings.embed_threads)
                entailer = EmbeddedEntailer(name, measured, encode, head)
                worst, mean = off(entailer, measured.probes)
                if worst <= OFF_BY and mean <= OFF_ON_MEAN:
                    log.info("entailment on OpenVINO in %s: at most %.4f from float32", precision, worst)
                    return entailer
                why_not = f"{precision} is {worst:.4f} from float32 at worst and {mean:.4f} on the mean"
        if settings.embed_runtime == "openvino":
            raise ModelUnavailable(f"OpenVINO cannot serve {VERSION}: {why_not}.")
    log.warning("entailment in numpy, which is slow: %s", why_not)
    return EmbeddedEntailer(name, measured, lambda rows: states(weights, SHAPE, rows), head)


def read(folder: Path) -> tuple[str, Measured, Weights, Head]:
    """The adapter's SHA-256, what was measured, the encoder with the adapter in it, and the head.

    Raises :class:`WrongWeights` where the adapter's SHA-256 is not the recorded one, or it is made for other weights.
    """
    record: Json = json.loads((folder / f"{VERSION}.json").read_text(encoding="utf-8"))
    adapter, packaged = folder / f"{VERSION}.safetensors", locate(PACKAGED)
    if (found := file_digest(adapter)) != record["sha256"]:
        raise WrongWeights(f"{adapter} has SHA-256 {found}; {record['sha256']} is expected.", file=adapter.name)
    if packaged.digest != record["packaged"]:
        raise WrongWeights(f"{adapter.name} is made for other weights of {PACKAGED}.", file=adapter.name)
    trained = {name: tensor.astype(np.float32) for name, tensor in load_file(adapter).items()}
    weights = adapted(load_file(packaged.folder / "model.safetensors"), trained)
    return found, Measured.of(record), weights, head_of(trained)


def adapted(packaged: Weights, trained: Weights) -> Weights:
    """The packaged weights with what was trained in their place, and the low ranks added to the matrices."""
    weights = {**packaged, **{name: tensor for name, tensor in trained.items() if name in packaged}}
    for layer in range(SHAPE.layers):
        for part in LINEAR:
            name = layer_name(layer, part)
            weights[f"{name}.weight"] = packaged[f"{name}.weight"] + trained[f"{name}.up"] @ trained[f"{name}.down"]
    return weights


def head_of(trained: Weights) -> Head:
    return Head(
        word=trained["word.weight"],
        word_bias=trained["word.bias"],
        whole=trained["head.weight"],
        bias=trained["head.bias"],
        worst=trained["head.worst"],
    )


def candidates() -> list[ir.Precision]:
    """Fastest first."""
    return ["bf16", "f32"] if ir.fast_precision() == "bf16" else ["f32"]


def on_openvino(weights: Weights, precision: ir.Precision, threads: int) -> Encode:
    request = ir.compile_graph(graph(weights, SHAPE), precision, threads).create_infer_request()
    lock = threading.Lock()  # one request: the stream has all threads

    def encode(rows: Rows) -> Floats:
        with lock:
            request.infer({"ids": rows.ids, "mask": rows.mask, "types": rows.types}, share_inputs=True)
            found: Any = request.get_output_tensor(0).data
            return np.array(found, np.float32)

    return encode


def off(entailer: EmbeddedEntailer, probes: Sequence[Json]) -> tuple[float, float]:
    """How far the probability of support is from the recorded one, at worst and on the mean."""
    found = entailer.entail([Stated(probe["evidence"], probe["claim"]) for probe in probes])
    apart = [abs(one.supported - probe["supported"]) for one, probe in zip(found, probes, strict=True)]
    return max(apart), float(np.mean(apart))
