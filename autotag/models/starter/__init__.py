"""The starter models: real ones, for the CPU, from weights that installed packages ship. Nothing is downloaded."""

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

__all__ = [
    "StarterDetector",
    "StarterEmbedder",
    "load_starter_detector",
    "load_starter_embedder",
    "starter_detector_fingerprint",
    "starter_embedder_fingerprint",
]
