"""The perceptual hash: what a picture looks like in 64 bits; near-duplicates differ in few of them."""

import numpy as np
import numpy.typing as npt

HASHED_SIDE_PX = 32
_KEPT = 8
_DECIMALS = 6  # rounding of a sum that is exactly nothing, as in pictures of one colour, must not become bits

_WAVES = np.cos(
    np.pi / HASHED_SIDE_PX * np.arange(_KEPT)[:, None] * (np.arange(HASHED_SIDE_PX)[None, :] + 0.5)
)


def dct_hash(grey: npt.NDArray[np.uint8]) -> str:
    """Which of the 8 x 8 lowest frequencies of the discrete cosine transform are stronger than their median.

    The bits of ImageHash's `phash` (Buchner), without loading SciPy for 64 sums.

    Args:
        grey: uint8 (`HASHED_SIDE_PX`, `HASHED_SIDE_PX`).

    Returns:
        16 hexadecimal characters.
    """
    strengths = (_WAVES @ grey.astype(np.float64) @ _WAVES.T).round(_DECIMALS)
    return np.packbits(strengths > np.median(strengths)).tobytes().hex()
