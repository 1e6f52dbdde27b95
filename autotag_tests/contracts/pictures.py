"""Pictures that every detector and embedder has to cope with, made from a seed."""

import numpy as np

from autotag.domain.regions import RgbImage


def noise(width: int, height: int, seed: int = 0) -> RgbImage:
    """Independent random pixels, uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blobs(width: int, height: int, seed: int = 0) -> RgbImage:
    """A few flat coloured boxes on a grey slope, uint8 (height, width, 3)."""
    random = np.random.default_rng(seed)
    slope = np.linspace(40, 200, width, dtype=np.uint8)
    picture = np.repeat(np.repeat(slope[None, :, None], height, axis=0), 3, axis=2).copy()
    for _ in range(4):
        x, y = int(random.integers(0, max(1, width // 2))), int(random.integers(0, max(1, height // 2)))
        colour = random.integers(0, 256, 3, dtype=np.uint8)
        picture[y : y + max(1, height // 3), x : x + max(1, width // 3)] = colour
    return picture


def mixed_sizes() -> list[RgbImage]:
    """Landscape, portrait and square pictures, two of one shape among them."""
    return [blobs(96, 64, 1), blobs(64, 96, 2), noise(80, 80, 3), blobs(96, 64, 4), noise(130, 50, 5)]


def degenerate_sizes() -> list[RgbImage]:
    """One pixel, one row, one column, and a view that is not contiguous in memory."""
    return [noise(1, 1), noise(70, 1), noise(1, 70), blobs(120, 90, 6)[::2, 10:70]]
