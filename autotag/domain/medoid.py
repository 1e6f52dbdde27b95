"""The medoid: the member of a set that lies nearest its centre. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TIE = 1e-6
"""Cosines that differ by less are equal: copies of an image must not be told apart by rounding."""


@dataclass(frozen=True, slots=True)
class Medoid:
    """Which one is nearest the centre.

    Attributes:
        index: its row.
        cosine: to the centre, in [-1, 1]; 0 where the vectors cancel out and there is no centre.
    """

    index: int
    cosine: float


def medoid(vectors: npt.NDArray[np.float32], names: Sequence[str]) -> Medoid | None:
    """The row with the greatest cosine to the normalised mean; of equal ones the first by name. None of no rows.

    Args:
        vectors: float32 (n, dim), unit L2 norm.
        names: one a row, all different; they decide ties, so that the order of rows does not.
    """
    if not len(vectors):
        return None
    exact = vectors.astype(np.float64)
    centre = exact.mean(axis=0)
    norm = float(np.linalg.norm(centre))
    # Vectors that cancel out leave rounding behind, which is no direction.
    cosines = exact @ (centre / norm) if norm > TIE else np.zeros(len(exact))
    nearest = np.flatnonzero(cosines >= cosines.max() - TIE)
    index = min((int(row) for row in nearest), key=lambda row: names[row])
    return Medoid(index, float(np.clip(cosines[index], -1.0, 1.0)))
