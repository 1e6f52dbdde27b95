"""Which images are copies of one picture, by their perceptual hashes."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

MAX_BITS = 4
"""Recompressed or rescaled copies differ in this many of 64 bits at the most; different pictures in about 32."""

_BANDS = MAX_BITS + 1
_BITS = 64


def near_duplicate_groups(hashes: Hashes) -> Ints:
    """Group images whose hashes differ in at most `MAX_BITS` bits, directly or through others.

    Two such hashes agree in at least one of `MAX_BITS + 1` bands (pigeonhole), so only hashes that share a
    band are compared. Memory is linear in n; time is too as long as few different hashes share a band.

    Args:
        hashes: (n,), 64-bit perceptual hashes.

    Returns:
        int64 (n,): the smallest index of each image's group. Empty in, empty out.
    """
    distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    group = np.arange(len(distinct), dtype=np.int64)
    edges = np.linspace(0, _BITS, _BANDS + 1).astype(int).tolist()
    for low, high in pairwise(edges):
        band = (distinct >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        group = _joined_within_runs(group, distinct, band)
    smallest = np.full(len(distinct), len(hashes), dtype=np.int64)
    np.minimum.at(smallest, group, first)
    return smallest[group][place]


def hashes_of(texts: list[str]) -> Hashes:
    """Hexadecimal hashes of 16 characters -> uint64 (n,)."""
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)


def _joined_within_runs(group: Ints, hashes: Hashes, band: Hashes) -> Ints:
    """Groups after joining close hashes of equal bands: each is compared with the one `step` places on."""
    order = np.argsort(band, kind="stable").astype(np.int64)
    band = band[order]
    alive = np.arange(len(order), dtype=np.int64)
    step = 1
    while True:
        alive = alive[alive + step < len(order)]
        alive = alive[band[alive] == band[alive + step]]
        if not len(alive):
            return group
        one, other = order[alive], order[alive + step]
        close = np.bitwise_count(hashes[one] ^ hashes[other]) <= MAX_BITS
        group = _joined(group, one[close], other[close])
        step += 1


def _joined(group: Ints, one: Ints, other: Ints) -> Ints:
    """Groups after joining pairs. A group's number is one of its members, which has that number itself."""
    while True:
        lower = np.minimum(group[one], group[other])
        higher = np.maximum(group[one], group[other])
        apart = lower < higher
        if not apart.any():
            return group
        group = group.copy()
        np.minimum.at(group, higher[apart], lower[apart])
        while not np.array_equal(further := group[group], group):
            group = further
