"""Which images are copies of one picture, by their perceptual hashes."""

import numpy as np
import numpy.typing as npt

MAX_BITS = 4
"""Recompressed or rescaled copies differ in this many of 64 bits at the most; different pictures in about 32."""

_BANDS = MAX_BITS + 1
_BITS = 64


def near_duplicate_groups(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Group images whose hashes differ in at most `MAX_BITS` bits, directly or through others.

    Two such hashes agree in at least one of `MAX_BITS + 1` bands (pigeonhole), so only images that share a
    band are compared.

    Args:
        hashes: (n,), 64-bit perceptual hashes.

    Returns:
        int64 (n,): the smallest index of each image's group. Empty in, empty out.
    """
    group = np.arange(len(hashes), dtype=np.int64)
    if len(hashes) < 2:
        return group
    left, right = _close_pairs(hashes)
    while True:
        smaller = np.minimum(group[left], group[right])
        merged = group.copy()
        np.minimum.at(merged, left, smaller)
        np.minimum.at(merged, right, smaller)
        merged = merged[merged]
        if np.array_equal(merged, group):
            return group
        group = merged


def hashes_of(texts: list[str]) -> npt.NDArray[np.uint64]:
    """Hexadecimal hashes of 16 characters -> uint64 (n,)."""
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)


def _close_pairs(hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    edges = np.linspace(0, _BITS, _BANDS + 1).astype(int)
    found: list[npt.NDArray[np.int64]] = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable").astype(np.int64)
        found.extend(_pairs_within_runs(hashes, order, band[order]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    pairs = np.concatenate(found, axis=1)
    return pairs[0], pairs[1]


def _pairs_within_runs(
    hashes: npt.NDArray[np.uint64], order: npt.NDArray[np.int64], band: npt.NDArray[np.uint64]
) -> list[npt.NDArray[np.int64]]:
    """Close pairs inside each run of equal bands, comparing each element with the one `step` places on."""
    found: list[npt.NDArray[np.int64]] = []
    alive = np.arange(len(order) - 1, dtype=np.int64)
    step = 1
    while len(alive):
        alive = alive[alive + step < len(order)]
        alive = alive[band[alive] == band[alive + step]]
        first, second = order[alive], order[alive + step]
        close = np.bitwise_count(hashes[first] ^ hashes[second]) <= MAX_BITS
        if close.any():
            found.append(np.stack([first[close], second[close]]))
        step += 1
    return found
