"""A BERT sentence encoder as an OpenVINO graph, built from its tensors: no torch, no tracing, any batch and length.

Follows Devlin et al., BERT (2018): embeddings, post-normalised layers of attention and feed-forward, then the mean over the
real tokens, as Reimers and Gurevych, Sentence-BERT (2019), pool it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autotag.models.starter.cpu_network import network

if TYPE_CHECKING:
    import openvino

Tensors = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class BertShape:
    """The numbers of `config.json` that the tensors do not tell.

    Attributes:
        layers: `num_hidden_layers`.
        heads: `num_attention_heads`.
        norm_epsilon: `layer_norm_eps`.
    """

    layers: int
    heads: int
    norm_epsilon: float


def bert_sentence_graph(tensors: Tensors, shape: BertShape) -> openvino.Model:
    """Token ids and mask, both int64 (n, length), the mask 1 for real tokens and 0 for padding -> float32 (n, width), unit L2 norm.

    Raises:
        KeyError: a tensor that the architecture needs is not there.
    """
    from openvino import opset13 as op

    ids = op.parameter([-1, -1], np.int64, name="ids")
    mask = op.parameter([-1, -1], np.int64, name="mask")
    layers = _Layers(tensors, shape)
    states = layers.embeddings(ids)
    for number in range(shape.layers):
        states = layers.encode(states, layers.attention_bias(mask), f"encoder.layer.{number}")
    real = op.convert(op.unsqueeze(mask, op.constant(2)), "f32")
    total = op.reduce_sum(op.multiply(states, real), op.constant([1]))
    mean = op.divide(total, op.reduce_sum(real, op.constant([1])))
    unit = op.normalize_l2(mean, op.constant([1]), 1e-12, "max")
    return network([unit.output(0)], [ids, mask], "sentence_encoder")


class _Layers:
    def __init__(self, tensors: Tensors, shape: BertShape) -> None:
        self._tensors = tensors
        self._shape = shape

    def embeddings(self, ids: openvino.Node) -> openvino.Node:
        from openvino import opset13 as op

        rows = op.constant(0)
        words = op.gather(self._constant("embeddings.word_embeddings.weight"), ids, rows)
        length = op.gather(op.shape_of(ids), op.constant(1), rows)
        places = op.range(op.constant(0, np.int64), length, op.constant(1, np.int64), "i64")
        positions = op.gather(self._constant("embeddings.position_embeddings.weight"), places, rows)
        first_segment = op.constant(self._tensors["embeddings.token_type_embeddings.weight"][0])
        return self._norm(op.add(op.add(words, positions), first_segment), "embeddings.LayerNorm")

    def attention_bias(self, mask: openvino.Node) -> openvino.Node:
        from openvino import opset13 as op

        seen = op.unsqueeze(op.convert(mask, "f32"), op.constant([1, 2]))
        return op.multiply(op.subtract(seen, op.constant(np.float32(1))), op.constant(np.float32(1e9)))

    def encode(self, states: openvino.Node, bias: openvino.Node, layer: str) -> openvino.Node:
        from openvino import opset13 as op

        query, key, value = (
            self._split(self._linear(states, f"{layer}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        attended = self._join(op.scaled_dot_product_attention(query, key, value, bias))
        attended = self._linear(attended, f"{layer}.attention.output.dense")
        states = self._norm(op.add(states, attended), f"{layer}.attention.output.LayerNorm")
        wide = op.gelu(self._linear(states, f"{layer}.intermediate.dense"), "erf")
        return self._norm(
            op.add(states, self._linear(wide, f"{layer}.output.dense")), f"{layer}.output.LayerNorm"
        )

    def _split(self, states: openvino.Node) -> openvino.Node:
        """(n, length, width) -> (n, heads, length, width of a head)."""
        from openvino import opset13 as op

        parted = op.reshape(states, op.constant([0, 0, self._shape.heads, -1]), special_zero=True)
        return op.transpose(parted, op.constant([0, 2, 1, 3]))

    def _join(self, states: openvino.Node) -> openvino.Node:
        from openvino import opset13 as op

        beside = op.transpose(states, op.constant([0, 2, 1, 3]))
        return op.reshape(beside, op.constant([0, 0, -1]), special_zero=True)

    def _linear(self, states: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as op

        product = op.matmul(states, self._constant(f"{name}.weight"), False, True)
        return op.add(product, self._constant(f"{name}.bias"))

    def _norm(self, states: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as op

        unit = op.mvn(states, op.constant([-1]), True, self._shape.norm_epsilon, "inside_sqrt")
        return op.add(op.multiply(unit, self._constant(f"{name}.weight")), self._constant(f"{name}.bias"))

    def _constant(self, name: str) -> openvino.Node:
        from openvino import opset13 as op

        return op.constant(self._tensors[name])
