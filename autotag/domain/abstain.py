"""When the best of many similarities is no better than chance: the cut below which a search answers nothing.

What similarities are worth where nothing matches is read off the lower half of many of them: those of many queries with many
regions. Pairs that do match lie above and move neither the median nor the lower tail, so the catalog may hold what the queries
ask for; estimating the null from the part that holds no signal is B. Efron's empirical null ("Large-scale simultaneous hypothesis
testing: the choice of a null hypothesis", JASA 99, 2004). The best of n independent regions stays below x with probability
F(x)^n, the start of extreme-value reasoning (R. A. Fisher and L. H. C. Tippett, 1928): the cut grows with the catalog. Regions that
look alike are near to the same queries and count for fewer than they are: n is how many independent ones would do as well, what
M. R. Leadbetter, "Extremes and local dependence in stationary sequences", 1983, calls an extremal index times their number.
"""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

LOWER_TAIL = 0.01
"""Share of the similarities that lie below the point which sets the scale."""

LEAST_SIMILARITIES = 1000
"""Fewer of them say nothing of a tail."""


@dataclass(frozen=True, slots=True)
class Background:
    """Similarities of queries with regions that do not match, taken as normal.

    Attributes:
        location: their median.
        scale: their standard deviation; more than 0.
        apart: share of the regions that counts as independent of each other, in (0, 1].
    """

    location: float
    scale: float
    apart: float = 1.0

    def cut(self, regions: int, false_alarms: float) -> float:
        """The similarity that the best of so many unrelated regions reaches with probability `false_alarms`, in (0, 1)."""
        independent = max(1.0, regions * self.apart)
        above = -math.expm1(math.log1p(-false_alarms) / independent)  # 1 - (1 - p)^(1/n), exact for small p/n
        return self.location - self.scale * NormalDist().inv_cdf(above)


def background_of(similarities: npt.NDArray[np.float32]) -> Background | None:
    """The background that some similarities, of any shape, have in common; None where they are too few or all the same."""
    if similarities.size < LEAST_SIMILARITIES:
        return None
    low, location = np.quantile(similarities, [LOWER_TAIL, 0.5])
    scale = float(location - low) / -NormalDist().inv_cdf(LOWER_TAIL)
    return Background(float(location), scale) if scale > 1e-6 else None


def background_of_queries(similarities: npt.NDArray[np.float32]) -> Background | None:
    """The background of (queries, regions), with how far the regions are apart; None where they are too few or all the same.

    Half of the queries have their best region below some point, and F of it to the power of the independent regions is one half.
    Queries that match something raise that point: more regions count than should, and the cut is rather too high.
    """
    background = background_of(similarities)
    if background is None:
        return None
    half = float(np.median(similarities.max(axis=1)))  # not below the median of all, so F is one half or more
    below = NormalDist(background.location, background.scale).cdf(half)
    independent = math.log(0.5) / math.log(below) if below < 1 else math.inf
    return replace(background, apart=min(1.0, max(1.0, independent) / similarities.shape[1]))
