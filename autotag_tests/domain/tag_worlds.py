"""Worlds of tags whose scores follow known laws, so that the true precision above any threshold is known exactly."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from autotag.domain.tag_examples import TagExamples

Chance = np.random.Generator
Law = Callable[[float], tuple[stats.rv_continuous, stats.rv_continuous]]

LAWS: dict[str, Law] = {
    "normal": lambda shift: (stats.norm(0.4 + 0.03 * shift, 0.08), stats.norm(0.22, 0.08)),
    "wide": lambda shift: (stats.norm(0.4 + 0.03 * shift, 0.11), stats.norm(0.2, 0.07)),
    "beta": lambda shift: (stats.beta(5 * np.exp(0.3 * shift), 2), stats.beta(1.5, 4)),
    "heavy tails": lambda shift: (stats.logistic(0.5 + 0.03 * shift, 0.05), stats.logistic(0.25, 0.04)),
}
"""Scores of right and of wrong examples, of a tag that differs from the others by `shift` standard deviations."""


@dataclass(frozen=True)
class World:
    """Tags of one law.

    Attributes:
        law: of the scores.
        base_rate: share of right examples.
        shifts: of each tag.
    """

    law: Law
    base_rate: float
    shifts: np.ndarray

    def examples(self, each: int, chance: Chance) -> TagExamples:
        """So many of each tag."""
        tags = len(self.shifts)
        is_right = chance.random((tags, each)) < self.base_rate
        score = np.empty((tags, each))
        for number, shift in enumerate(self.shifts):
            right, wrong = self.law(float(shift))
            score[number] = np.where(is_right[number], right.rvs(each, chance), wrong.rvs(each, chance))
        return examples(np.repeat(np.arange(tags), each), score.reshape(-1), is_right.reshape(-1))

    def precision(self, thresholds: list[float]) -> np.ndarray:
        """True precision of each tag above its threshold; NaN where it is infinite."""
        kept = []
        for threshold, shift in zip(thresholds, self.shifts, strict=True):
            right, wrong = (law.sf(threshold) for law in self.law(float(shift)))
            given = self.base_rate * right + (1 - self.base_rate) * wrong
            kept.append(self.base_rate * right / given if np.isfinite(threshold) else np.nan)
        return np.array(kept)


def examples(tag: object, score: object, is_right: object, names: tuple[str, ...] = ()) -> TagExamples:
    """Examples of the archive, each of an image of its own."""
    numbers = np.asarray(tag, np.int64)
    tags = names or tuple(f"tag{number:03d}" for number in range(int(numbers.max(initial=-1)) + 1))
    return TagExamples(
        tags,
        numbers,
        np.arange(len(numbers)),
        np.asarray(score, np.float64),
        np.asarray(is_right, np.bool_),
        np.zeros(len(numbers), np.bool_),
    )
