"""From cosines to labels: the best region of an image for each label, an image's best labels, those over a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]

OTHERS = ""
"""Stands for all labels that have no threshold of their own."""


@dataclass(frozen=True, slots=True)
class RankingRules:
    """Which labels of an image are told.

    Attributes:
        topk: best labels kept, whatever their scores.
        threshold: least cosine of a label that is proposed.
        thresholds: least cosine by label; `OTHERS`, where given, stands for labels without an own one and
            takes the place of `threshold`. None = `threshold` for all.
    """

    topk: int
    threshold: float
    thresholds: Mapping[str, float] | None = None

    def of_labels(self, labels: Sequence[str]) -> Scores:
        """float32 (labels,): the threshold of each."""
        own = self.thresholds or {}
        others = own.get(OTHERS, self.threshold)
        return np.array([own.get(label, others) for label in labels], np.float32)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the rules make of a block of images.

    Attributes:
        top: int64 (images, min(topk, labels)): numbers of the best labels, by falling score, ties in list order.
        over_image: int64 (over,): image of each label over its threshold, ascending.
        over_label: int64 (over,): its number; within an image by falling score, ties in list order.
    """

    top: npt.NDArray[np.int64]
    over_image: npt.NDArray[np.int64]
    over_label: npt.NDArray[np.int64]


def rank(scores: Scores, topk: int, thresholds: Scores) -> Ranked:
    """Rank the labels of each image.

    Args:
        scores: float32 (images, labels), finite; the labels in list order.
        topk: at least 1.
        thresholds: float32 (labels,); a score equal to its threshold is over it.
    """
    image, label = np.nonzero(scores >= thresholds)
    order = np.lexsort((label, -scores[image, label], image))
    return Ranked(top_labels(scores, topk), image[order], label[order])


def top_labels(scores: Scores, topk: int) -> npt.NDArray[np.int64]:
    """int64 (images, min(topk, labels)): numbers of the best labels, by falling score, ties in list order.

    As the first columns of a stable sort, without sorting what lies behind them.
    """
    falling, kept = -scores, min(topk, scores.shape[1])
    if kept == scores.shape[1] or not len(scores):
        return np.argsort(falling, axis=1, kind="stable")[:, :kept]
    chosen = np.argpartition(falling, kept - 1, axis=1)[:, :kept]
    last = np.take_along_axis(falling, chosen, axis=1).max(axis=1, keepdims=True)
    # A partition takes any of several equal scores at its edge: there, the list's order has to decide.
    tied = np.count_nonzero(falling <= last, axis=1) > kept
    chosen[tied] = np.argsort(falling[tied], axis=1, kind="stable")[:, :kept]
    chosen.sort(axis=1)
    order = np.argsort(np.take_along_axis(falling, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def best_of_regions(
    cosines: Scores, first_rows: npt.NDArray[np.int64]
) -> tuple[Scores, npt.NDArray[np.int16]]:
    """The best region of each image for each label.

    Args:
        cosines: float32 (regions, labels); the regions of an image lie together.
        first_rows: int64 (images,): first region of each image, ascending, from 0.

    Returns:
        float32 (images, labels), the best cosine, and int16 (images, labels), the place of its region in the image, from
        0; of equal ones the first.
    """
    best = cosines[first_rows]
    places = np.zeros(best.shape, np.int16)
    counts = np.diff(first_rows, append=len(cosines))
    for place in range(1, int(counts.max(initial=0))):
        images = np.flatnonzero(counts > place)
        mine, theirs, before = best[images], cosines[first_rows[images] + place], places[images]
        is_better = theirs > mine
        np.copyto(mine, theirs, where=is_better)
        np.copyto(before, np.int16(place), where=is_better)
        best[images], places[images] = mine, before
    return best, places
