"""The encoder of MiniLM and its kin from plain arrays: as a graph of OpenVINO's, and in numpy.

There is no conversion and no file: the graph is built of the weights at hand, so an adapter can be added to them first.
numpy's is the one to compare with and to fall back on: float32, exact in its order of steps, and twenty times slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vouch.gateway import ir

Weights = Mapping[str, npt.NDArray[np.float32]]
"""By the names of Hugging Face's `BertModel`, linear layers as (outputs, inputs)."""
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LINEAR = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""The matrices of a layer."""
_EPSILON = 1e-12
_HIDDEN = -1e4
"""Added to the score of what is padding: as good as minus infinity, and a number in bfloat16."""


@dataclass(frozen=True, slots=True)
class Shape:
    layers: int
    heads: int
    width: int

    @property
    def each(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class Rows:
    """Pairs of texts, each a row: ids, mask (1: read it) and types (0: first text, 1: second)."""

    ids: Ids
    mask: Ids
    types: Ids


def layer_name(layer: int, part: str) -> str:
    return f"encoder.layer.{layer}.{part}"


def graph(weights: Weights, shape: Shape) -> Any:
    """An OpenVINO model from the inputs of :class:`Rows` to ``states``: (rows, width of rows, width of the model)."""
    ov = ir.load_openvino()
    ops = ov.opset13
    inputs = {name: ops.parameter([-1, -1], np.int64, name=name) for name in ("ids", "mask", "types")}

    def norm(x: Any, name: str) -> Any:
        level = ops.mvn(x, np.array([-1]), True, _EPSILON, "inside_sqrt")
        return ops.add(ops.multiply(level, weights[f"{name}.weight"]), weights[f"{name}.bias"])

    def linear(x: Any, name: str) -> Any:
        return ops.add(ops.matmul(x, weights[f"{name}.weight"], False, True), weights[f"{name}.bias"])

    def split(x: Any) -> Any:
        return ops.transpose(ops.reshape(x, np.array([0, 0, shape.heads, shape.each]), True), np.array([0, 2, 1, 3]))

    zero, one = np.array(0, np.int64), np.array(1, np.int64)
    long = ops.gather(ops.shape_of(inputs["ids"], "i64"), one, zero)
    places = ops.range(zero, long, one, "i64")
    x = ops.gather(weights["embeddings.word_embeddings.weight"], inputs["ids"], zero)
    x = ops.add(x, ops.gather(weights["embeddings.token_type_embeddings.weight"], inputs["types"], zero))
    x = ops.add(x, ops.gather(weights["embeddings.position_embeddings.weight"], places, zero))
    x = norm(x, "embeddings.LayerNorm")
    unread = ops.subtract(np.array(1, np.float32), ops.convert(inputs["mask"], "f32"))
    mask = ops.unsqueeze(ops.multiply(unread, np.array(_HIDDEN, np.float32)), np.array([1, 2]))
    for layer in range(shape.layers):
        query, key, value, joined, wide, narrow = (layer_name(layer, part) for part in LINEAR)
        heads = ops.scaled_dot_product_attention(
            split(linear(x, query)), split(linear(x, key)), split(linear(x, value)), mask, causal=False
        )
        together = ops.reshape(ops.transpose(heads, np.array([0, 2, 1, 3])), np.array([0, 0, shape.width]), True)
        x = norm(ops.add(linear(together, joined), x), layer_name(layer, "attention.output.LayerNorm"))
        x = norm(ops.add(linear(ops.gelu(linear(x, wide), "erf"), narrow), x), layer_name(layer, "output.LayerNorm"))
    return ov.Model([ops.result(x, name="states")], list(inputs.values()), "bert")


def states(weights: Weights, shape: Shape, rows: Rows) -> Floats:
    """The same in numpy."""
    count, long = rows.ids.shape

    def split(x: Floats) -> Floats:
        return x.reshape(count, long, shape.heads, shape.each).transpose(0, 2, 1, 3)

    x = weights["embeddings.word_embeddings.weight"][rows.ids]
    x = x + weights["embeddings.token_type_embeddings.weight"][rows.types]
    x = _norm(x + weights["embeddings.position_embeddings.weight"][:long], weights, "embeddings.LayerNorm")
    mask = ((1 - rows.mask) * _HIDDEN).astype(np.float32)[:, None, None, :]
    for layer in range(shape.layers):
        query, key, value, joined, wide, narrow = (layer_name(layer, part) for part in LINEAR)
        scores = split(_linear(x, weights, query)) @ split(_linear(x, weights, key)).swapaxes(2, 3)
        heads = _shares(scores / np.sqrt(np.float32(shape.each)) + mask) @ split(_linear(x, weights, value))
        together = heads.transpose(0, 2, 1, 3).reshape(count, long, shape.width)
        x = _norm(_linear(together, weights, joined) + x, weights, layer_name(layer, "attention.output.LayerNorm"))
        opened = _gelu(_linear(x, weights, wide))
        x = _norm(_linear(opened, weights, narrow) + x, weights, layer_name(layer, "output.LayerNorm"))
    return x


def _linear(x: Floats, weights: Weights, name: str) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(x: Floats, weights: Weights, name: str) -> Floats:
    level = x - x.mean(axis=-1, keepdims=True)
    level /= np.sqrt((level * level).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    found: Floats = level * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return found


def _shares(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return found


def _gelu(x: Floats) -> Floats:
    """With the error function by Abramowitz and Stegun 7.1.26, which is off by 1.5e-7 at most."""
    z = np.abs(x) / np.float32(np.sqrt(2.0))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - series * np.exp(-z * z))
    return (0.5 * x * (1 + erf)).astype(np.float32)
