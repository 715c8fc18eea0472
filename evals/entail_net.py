"""The network that is trained: the packaged MiniLM, frozen, with a matrix of low rank beside each of its own.

It computes in bfloat16 with its few trained numbers kept in float32, and reads evidence and claim together. It tells of
each word of the claim whether the evidence supports it, and by the worst of them and the whole how the claim stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from vouch.gateway.bert import LINEAR, layer_name
from vouch.gateway.entail_embedded import FOUND, NEW, REST, SHAPE, SHARED
from vouch.gateway.weights import packaged_folder

RANK = 32
_UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Row:
    """A pair as the network reads it. ``types``: see :func:`vouch.gateway.entail_embedded.kinds`. ``words``: for each
    word piece of the claim, from ``split`` on, 1 where it is wrong, 0 where it is right, -1 where nobody knows."""

    ids: Sequence[int]
    types: Sequence[int]
    split: int
    allowed: tuple[float, float, float]
    words: Sequence[float]


@dataclass(frozen=True, slots=True)
class Batch:
    ids: Tensor
    mask: Tensor
    types: Tensor
    words: Tensor
    allowed: Tensor

    @property
    def claim(self) -> Tensor:
        return (self.types == FOUND) | (self.types == NEW)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Batch:
        width = max(len(row.ids) for row in rows)
        ids, mask, types = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
        words = torch.full((len(rows), width), _UNKNOWN)
        for n, row in enumerate(rows):
            end = len(row.ids)
            ids[n, :end] = torch.tensor(row.ids)
            mask[n, :end] = 1
            types[n, :end] = torch.tensor(row.types)
            words[n, row.split : row.split + len(row.words)] = torch.tensor(row.words)
        return cls(ids, mask, types, words, torch.tensor([row.allowed for row in rows]))


class Net(nn.Module):
    """``trained``: what the packaged model has not, or has otherwise, by the names that the weights file uses."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        packaged = load_file(packaged_folder() / "model.safetensors")
        self.frozen = {name: t for name, t in packaged.items() if t.is_floating_point() and "pooler" not in name}
        trained: dict[str, Tensor] = {}
        for name, tensor in self.frozen.items():
            if name.endswith(("LayerNorm.weight", "bias")):
                trained[name] = tensor.clone()
        first, second = self.frozen["embeddings.token_type_embeddings.weight"]
        types = torch.stack([{REST: first, SHARED: first, FOUND: second, NEW: second}[kind] for kind in range(4)])
        trained["embeddings.token_type_embeddings.weight"] = types + torch.randn(types.shape) * 0.02
        for layer in range(SHAPE.layers):
            for part in LINEAR:
                name = layer_name(layer, part)
                outputs, inputs = self.frozen[f"{name}.weight"].shape
                self.frozen[f"{name}.weight"] = self.frozen[f"{name}.weight"].to(torch.bfloat16)
                trained[f"{name}.down"] = torch.empty(RANK, inputs).uniform_(-1, 1) / math.sqrt(inputs)
                trained[f"{name}.up"] = torch.zeros(outputs, RANK)
        trained["word.weight"] = torch.randn(SHAPE.width) * 0.02
        trained["word.bias"] = torch.zeros(1)
        trained["head.weight"] = torch.randn(3, 2 * SHAPE.width) * 0.02
        trained["head.worst"] = torch.tensor([-0.5, 0.25, 0.25])
        trained["head.bias"] = torch.zeros(3)
        self.trained = {name: nn.Parameter(tensor) for name, tensor in trained.items()}
        for name, parameter in self.trained.items():
            self.register_parameter(name.replace(".", "/"), parameter)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of supported, contradicted and not enough; and of every word piece, that it is wrong."""
        states = self._states(batch).float()
        claim = batch.claim.float()
        words = states @ self.trained["word.weight"] + self.trained["word.bias"]
        mean = (states * claim[..., None]).sum(1) / claim.sum(1, keepdim=True)
        worst = words.masked_fill(~batch.claim, -1e4).amax(1)
        whole = torch.cat([states[:, 0], mean], 1)
        logits = F.linear(whole, self.trained["head.weight"], self.trained["head.bias"])
        return logits + worst[:, None] * self.trained["head.worst"], words

    def _states(self, batch: Batch) -> Tensor:
        rows, width = batch.ids.shape
        fixed = F.embedding(batch.ids, self.frozen["embeddings.word_embeddings.weight"])
        fixed = fixed + self.frozen["embeddings.position_embeddings.weight"][:width]
        kinds = F.embedding(batch.types, self.trained["embeddings.token_type_embeddings.weight"])
        x = self._norm((fixed + kinds).to(torch.bfloat16), "embeddings.LayerNorm")
        hidden = ((1 - batch.mask) * -1e4).to(torch.bfloat16)[:, None, None, :]

        def split(y: Tensor) -> Tensor:
            return y.view(rows, width, SHAPE.heads, SHAPE.each).transpose(1, 2)

        for layer in range(SHAPE.layers):
            query, key, value, joined, wide, narrow = (layer_name(layer, part) for part in LINEAR)
            # Written out: the fused attention for CPUs takes half as long again on rows this short.
            scores = split(self._linear(x, query)) @ split(self._linear(x, key)).transpose(2, 3)
            shares = (scores * SHAPE.each**-0.5 + hidden).softmax(-1)
            heads = (shares @ split(self._linear(x, value))).transpose(1, 2).reshape(rows, width, SHAPE.width)
            x = self._norm(self._linear(heads, joined) + x, layer_name(layer, "attention.output.LayerNorm"))
            opened = F.gelu(self._linear(x, wide))
            x = self._norm(self._linear(opened, narrow) + x, layer_name(layer, "output.LayerNorm"))
        return x

    def _linear(self, x: Tensor, name: str) -> Tensor:
        low = torch.bfloat16
        down, up = self.trained[f"{name}.down"].to(low), self.trained[f"{name}.up"].to(low)
        whole = F.linear(x, self.frozen[f"{name}.weight"], self.trained[f"{name}.bias"].to(low))
        return whole + F.linear(F.linear(x, down), up)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.trained[f"{name}.weight"], self.trained[f"{name}.bias"]
        return F.layer_norm(x, (SHAPE.width,), weight.to(x.dtype), bias.to(x.dtype), eps=1e-12)


def loss(logits: Tensor, words: Tensor, batch: Batch) -> Tensor:
    """Of the sentence, that it is one of what it may be; of its words, where they are known, half as much."""
    one_of = logits.log_softmax(1).masked_fill(batch.allowed == 0, -1e4).logsumexp(1)
    sentence = -one_of.mean()
    known = batch.words >= 0
    if not known.any():
        return sentence
    wrong = F.binary_cross_entropy_with_logits(
        words, batch.words.clamp(min=0), pos_weight=torch.tensor(4.0), reduction="none"
    )
    each = (wrong * known).sum(1) / known.sum(1).clamp(min=1)
    return sentence + 0.5 * each[known.any(1)].mean()


def predicted(net: Net, rows: Sequence[Row], size: int = 64) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Probabilities, a row a pair."""
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].ids))
    found = np.zeros((len(rows), 3))
    with torch.no_grad():
        for start in range(0, len(order), size):
            at = order[start : start + size]
            found[at] = net(Batch.of([rows[n] for n in at]))[0].softmax(1).numpy()
    return found
