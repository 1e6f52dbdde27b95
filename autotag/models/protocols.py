"""What a model has to do to be one of autotag's, and what it may rely on.

Law of behaviour, checked by the contract tests for every adapter:
one result per input, in input order; empty in, empty out; inputs are never changed; the same input gives
the same output whatever its neighbours in the batch (within float tolerance). Images are RGB uint8
(height, width, 3), any size from 1x1. The device is an argument, never guessed. One thread at a time may use
a model; of an embedder, one may embed texts while another embeds images.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import Region, RgbImage

Vectors = npt.NDArray[np.float32]


@runtime_checkable
class Detector(Protocol):
    """Finds the objects of an image."""

    @property
    def fingerprint(self) -> str:
        """Name + weights hash + preprocessing version, e.g. `yolo11s-1a2b3c4d-p1`; safe in a file name."""
        ...

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Objects of each image (kind "object"), in no special order; never the whole image.

        Boxes are in pixels of the image as given. Low scores may be included: the rules drop them later.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns crops, and where it can texts, into vectors of one space."""

    @property
    def fingerprint(self) -> str:
        """Name + weights hash + preprocessing version; safe in a file name."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def embeds_text(self) -> bool:
        """Whether `embed_texts` works. Where it does not, it raises `UsageError` that names the model."""
        ...

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, dim), unit L2 norm; row i belongs to crops[i]. Empty in: (0, dim)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dim), unit L2 norm, comparable to `embed_images` by inner product. Empty in: (0, dim)."""
        ...
