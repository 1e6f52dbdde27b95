"""In which order a person looks at images, so that each decision brings the most."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def doubt(score: Floats, threshold: Floats, width: float) -> Floats:
    """How open it is whether a proposal is right: 1 at its threshold, falling to 0 at `width` from it.

    Args:
        score: of the proposals (n,).
        threshold: of the same proposals (n,); infinite where none is known, which makes a doubt of 0.5.
        width: distance in score at which there is no doubt left; above 0.

    Raises:
        ValueError: a width of 0 or less.
    """
    if width <= 0:
        raise ValueError(f"the width of doubt is {width}; it must be above 0")
    known = np.isfinite(threshold)
    distance = np.abs(score - np.where(known, threshold, 0.0))
    return np.where(known, np.clip(1.0 - distance / width, 0.0, 1.0), 0.5)


def review_order(doubts: Floats, groups: Ints, themes: Ints) -> Ints:
    """Groups of look-alikes by falling expected gain, each named by its first member.

    One decision settles a whole group, so its gain is the mean doubt of its images times their number. Among groups of one
    theme - the tag that leads them - the second counts half, the third a third and so on: whoever has judged a hundred
    birds learns little from the next. Ties go to the smaller number.

    Args:
        doubts: of each image (n,), in [0, 1].
        groups: smallest image number of each image's group (n,), as `near_duplicate_groups` gives.
        themes: of each image (n,); that of a group is its first member's.

    Returns:
        int64 (g,): the first member of each group.
    """
    if not len(doubts):
        return np.zeros(0, np.int64)
    first, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=doubts) / sizes
    gain = mean * sizes
    theme = themes[first]
    order = np.lexsort((first, -gain, theme))
    starts = np.r_[True, theme[order][1:] != theme[order][:-1]]
    begin = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    damped = np.empty(len(order))
    damped[order] = gain[order] / (1 + np.arange(len(order)) - begin)
    return first[np.lexsort((first, -damped))].astype(np.int64)


def look_alikes(copies: Ints, vectors: npt.NDArray[np.float32], least_cosine: float) -> Ints:
    """Copies of one picture, and pictures that look alike and follow each other, as one group.

    Neighbours in the order given are compared: photographs of one scene follow each other in a folder, and comparing all
    with all would take time that grows with the square. Chains are cut where a picture is too far from the group's first.

    Args:
        copies: smallest image number of each image's copies (n,).
        vectors: float32 (n, dim), unit L2 norm, of the whole images.
        least_cosine: from which two are alike.

    Returns:
        int64 (n,): smallest image number of each image's group.
    """
    group = copies.astype(np.int64).copy()
    for number in range(1, len(group)):
        if copies[number] != number:
            group[number] = group[copies[number]]  # which is smaller, so it has its group already
            continue
        leader = group[number - 1]
        if float(vectors[number] @ vectors[leader]) >= least_cosine:
            group[number] = leader
    return group
