"""The starter models: real ones, for the CPU, from weights that installed packages ship. Nothing is downloaded."""

import sys

from autotag.models.starter.detector import (
    StarterDetector,
    load_starter_detector,
    starter_detector_fingerprint,
)
from autotag.models.starter.embedder import (
    StarterEmbedder,
    load_starter_embedder,
    starter_embedder_fingerprint,
)

# OpenVINO reports every import of itself to its makers, from a process that it forks, and keeps a client id in the home
# directory. The part that does it is the model converter, which nothing here uses; without it the import is faster, too.
for part in ("openvino.tools.ovc", "openvino_telemetry"):
    sys.modules.setdefault(part, None)  # pyright: ignore[reportArgumentType] - None stands for "cannot be imported"

__all__ = [
    "StarterDetector",
    "StarterEmbedder",
    "load_starter_detector",
    "load_starter_embedder",
    "starter_detector_fingerprint",
    "starter_embedder_fingerprint",
]
