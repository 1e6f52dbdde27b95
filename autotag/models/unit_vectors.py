"""From what a network returns to the vectors the protocols promise: float32, unit length, on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autotag.errors import RejectedImageError
from autotag.models.protocols import Vectors

if TYPE_CHECKING:
    import torch


def unit_vectors(features: torch.Tensor) -> Vectors:
    """float32 (n, dim), unit L2 norm.

    Raises:
        RejectedImageError: a row without a direction (zeros, infinities, not-a-numbers); it would match everything or nothing.
    """
    rows = features.float()
    lengths = rows.norm(dim=1, keepdim=True)
    if not bool(((lengths > 0) & lengths.isfinite()).all()):
        raise RejectedImageError(
            "embed", "the network returned a vector without a direction; float16 may have overflowed"
        )
    return (rows / lengths).cpu().numpy().astype(np.float32, copy=False)
