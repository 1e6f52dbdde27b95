"""The starter embedder: images and texts in one space, without any training.

An image's vector has 384 numbers of meaning, which put it where a text about it would lie, and 256 of looks. Two images are
compared by both; a text has no looks, so it meets images by meaning alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autotag.domain.regions import RgbImage
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.starter.class_descriptions import class_descriptions
from autotag.models.starter.cpu_network import require_cpu
from autotag.models.starter.image_tower import LOOKS_DIM, ImageTower, image_tower_weights
from autotag.models.starter.text_tower import TEXT_DIM, TextTower, text_tower_weights
from autotag.models.weights import make_fingerprint, weights_sha256

PREPROCESSING_VERSION = 1


class StarterEmbedder:
    """Image tower and text tower on the CPU."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load what `spec.cache_dir` keeps, or make it (some 10 s) and keep it there.

        Raises:
            SettingsError: a device other than "cpu".
            MissingWeightsError: a package with weights is not installed.
        """
        require_cpu(spec)
        self._spec = spec
        self._parts = _Parts.found(spec)
        self._text_tower: TextTower | None = None
        name = f"image_tower-{self._parts.digest[:16]}-v{PREPROCESSING_VERSION}"
        self._image_tower = ImageTower(spec, name, self._parts.image_weights, self._class_meanings)

    @property
    def fingerprint(self) -> str:
        """Name + hash of both towers' weights and the class descriptions + preprocessing version."""
        return self._parts.fingerprint

    @property
    def dim(self) -> int:
        """640: 384 of meaning, then 256 of looks."""
        return TEXT_DIM + LOOKS_DIM

    @property
    def embeds_text(self) -> bool:
        """Always."""
        return True

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, 640), unit L2 norm; row i belongs to crops[i]. Empty in: (0, 640)."""
        if not len(crops):
            return np.zeros((0, self.dim), np.float32)
        return self._image_tower.run(crops)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, 640), unit L2 norm, zeros in the looks. Empty in: (0, 640).

        The text tower is loaded at the first call: tagging never needs it.
        """
        vectors = np.zeros((len(texts), self.dim), np.float32)
        vectors[:, :TEXT_DIM] = self._texts().embed(texts)
        return vectors

    def _texts(self) -> TextTower:
        if self._text_tower is None:
            self._text_tower = TextTower(self._spec, self._parts.text_weights, self._parts.text_digest)
        return self._text_tower

    def _class_meanings(self) -> Vectors:
        """float32 (1000, 384): the classes' text vectors around their common mean, which says only "a thing"."""
        meanings = self._texts().embed(self._parts.descriptions)
        return meanings - meanings.mean(axis=0)


def load_starter_embedder(spec: ModelSpec) -> StarterEmbedder:
    """The embedder, ready for its first crop."""
    return StarterEmbedder(spec)


def starter_embedder_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001 - nothing here is fetched
    """What `StarterEmbedder(spec).fingerprint` would be, from the weight files alone.

    Raises:
        MissingWeightsError: a package with weights is not installed.
    """
    return _Parts.found(spec).fingerprint


@dataclass(frozen=True)
class _Parts:
    """Everything that shapes the space, and its hashes."""

    image_weights: Path
    image_digest: str
    text_weights: Path
    text_digest: str
    descriptions: list[str]

    @classmethod
    def found(cls, spec: ModelSpec) -> _Parts:
        image, text = image_tower_weights(), text_tower_weights()
        return cls(
            image_weights=image,
            image_digest=weights_sha256(image, spec.cache_dir),
            text_weights=text,
            text_digest=weights_sha256(text, spec.cache_dir),
            descriptions=class_descriptions(),
        )

    @property
    def digest(self) -> str:
        joined = "\n".join([self.image_digest, self.text_digest, *self.descriptions])
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        return make_fingerprint("starter", self.digest, PREPROCESSING_VERSION)
