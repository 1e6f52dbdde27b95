"""Do thresholds keep what they promise? Fitted to one half of the images, measured on the other, and the other way round."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autotag.domain.reliability import ReliabilityBin, reliability_bins
from autotag.domain.tag_examples import TagExamples
from autotag.domain.thresholds import OTHERS, FitRules, fit_thresholds

ENOUGH_EXAMPLES = 50
"""A tag of fewer examples is fitted mostly as its group: what it keeps alone is not asked."""

_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class KeptTag:
    """What a tag's thresholds kept on the images they were not fitted to.

    Attributes:
        tag: its name.
        examples: of the tag.
        given: of those, at or above the threshold.
        right: of the given.
        promised: mean precision that was promised for the given.
    """

    tag: str
    examples: int
    given: int
    right: int
    promised: float

    @property
    def precision(self) -> float:
        """Share of the given that was right; 0 where none was given."""
        return self.right / self.given if self.given else 0.0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """All tags of a source.

    Attributes:
        tags: those of `ENOUGH_EXAMPLES` or more that were given at least once, by falling number of given.
        bins: promised chances of all examples against what came true.
    """

    tags: tuple[KeptTag, ...]
    bins: tuple[ReliabilityBin, ...]

    @classmethod
    def of_dict(cls, told: Mapping[str, Any]) -> "HeldOut":
        """From what `dataclasses.asdict` made of it, also after a way through JSON."""
        return cls(
            tuple(KeptTag(**row) for row in told["tags"]),
            tuple(ReliabilityBin(**row) for row in told["bins"]),
        )

    @property
    def given(self) -> int:
        """Tags given, over all images and `tags`."""
        return sum(row.given for row in self.tags)

    @property
    def precision(self) -> float:
        """Share of them that was right; 0 where none was given."""
        return sum(row.right for row in self.tags) / self.given if self.given else 0.0

    @property
    def promised(self) -> float:
        """Share of them that was promised; the target or more, as scores come in steps."""
        return sum(row.promised * row.given for row in self.tags) / self.given if self.given else 0.0


def held_out(examples: TagExamples, rules: FitRules) -> HeldOut:
    """Fit and measure on halves; which half an image is in depends on nothing but its number."""
    images = np.unique(examples.image)
    halves = np.random.default_rng(_SEED).permutation(len(images)) % 2
    half = halves[np.searchsorted(images, examples.image)]
    threshold, precision = np.full(len(examples), np.inf), np.zeros(len(examples))
    chance = np.zeros(len(examples))
    for number in (0, 1):
        fitted = fit_thresholds(examples.part(half != number), rules)
        rows = {row.tag: row for row in fitted.thresholds}
        for tag, places in _by_tag(examples, half == number):
            row = rows.get(tag) or rows.get(OTHERS)
            if row is not None:
                threshold[places], precision[places] = row.threshold, row.precision
                chance[places] = fitted.chances[row.tag].at(examples.score[places])
    is_given = examples.score >= threshold
    return HeldOut(_kept(examples, is_given, precision), tuple(reliability_bins(chance, examples.is_right)))


def _by_tag(examples: TagExamples, chosen: np.ndarray) -> list[tuple[str, np.ndarray]]:
    places = np.flatnonzero(chosen)
    places = places[np.argsort(examples.tag[places], kind="stable")]
    edges = np.searchsorted(examples.tag[places], np.arange(len(examples.tags) + 1))
    return [(tag, places[edges[number] : edges[number + 1]]) for number, tag in enumerate(examples.tags)]


def _kept(examples: TagExamples, is_given: np.ndarray, promised: np.ndarray) -> tuple[KeptTag, ...]:
    count = len(examples.tags)
    total = np.bincount(examples.tag, minlength=count)
    given = np.bincount(examples.tag, is_given, count).astype(np.int64)
    right = np.bincount(examples.tag, is_given & examples.is_right, count).astype(np.int64)
    hoped = np.bincount(examples.tag, is_given * promised, count)
    rows = [
        KeptTag(
            examples.tags[tag],
            int(total[tag]),
            int(given[tag]),
            int(right[tag]),
            float(hoped[tag] / given[tag]),
        )
        for tag in np.flatnonzero((total >= ENOUGH_EXAMPLES) & (given > 0)).tolist()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.given, row.tag)))
