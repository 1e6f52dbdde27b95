"""How many images have a label over its threshold, and how far from that the others are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from upath import UPath

from autotag.storage.tables import read_table


@dataclass(frozen=True, slots=True)
class LabelReach:
    """What the labels came to, over some folders.

    Attributes:
        images: that were scored.
        over: those with a label over its threshold.
        best_of_others: highest score, a cosine in [-1, 1], of an image without such a label; None where there is none.
        half_of_others: their median: one half of them has a label with this score or a higher one; None likewise.
    """

    images: int
    over: int
    best_of_others: float | None
    half_of_others: float | None


def label_reach(paths: Sequence[UPath]) -> LabelReach:
    """Add up folders' label scores; of them only two columns are read.

    Args:
        paths: their label_scores.parquet.

    Raises:
        MissingInputError: one is not there.
        PermanentError: one is damaged.
    """
    images, others = 0, [np.zeros(0, np.float32)]
    for path in paths:
        rows = read_table(path, ["top1_score", "over_threshold"], made_by="label_scores")
        images += rows.num_rows
        for batch in rows.to_batches():
            is_without = batch["over_threshold"].value_lengths().to_numpy() == 0
            others.append(batch["top1_score"].to_numpy()[is_without])
    scores = np.concatenate(others)
    if not len(scores):
        return LabelReach(images, images, None, None)
    return LabelReach(images, images - len(scores), float(scores.max()), float(np.median(scores)))
