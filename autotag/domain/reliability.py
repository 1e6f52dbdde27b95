"""How likely a tag is right, by its score: a curve a tag, drawn from its own examples and those of its group.

All examples of a source give one curve, an isotonic regression (scikit-learn). A group or tag bends it: on the log-odds
scale its own curve is `offset + slope * the parent's`, with slope above 0, so it rises too. Its own examples and
`prior_examples` made-up ones that behave as the parent says decide offset and slope together. Two numbers a tag are little
to be misled by: isotonic regression of a tag's own 50 examples promises more than it keeps, because it picks the luckiest
steps.
"""

from dataclasses import dataclass

import numpy as np

from autotag.domain.tag_examples import Floats, ScoreTally

SKETCH_POINTS = 256
"""Points that stand for the scores of a group."""

LEAST_SLOPE = 0.05
"""A tag whose examples say that higher scores are worse is taken for one whose score says next to nothing."""

_RIDGE = 1e-3
_STEPS = 60
_CLOSE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class RightChance:
    """The curve of a source, group or tag, and which scores are usual there.

    Attributes:
        knots: float64 (k,), ascending scores.
        log_odds: float64 (k,), ascending, of the source's curve at the knots; straight lines between, level beyond.
        offset: added to the log-odds.
        slope: they are multiplied by it before that.
        scores: float64 (p,), ascending: usual scores.
        density: float64 (p,), how usual; sums to 1.
    """

    knots: Floats
    log_odds: Floats
    offset: float
    slope: float
    scores: Floats
    density: Floats

    def base(self, scores: Floats) -> Floats:
        """Log-odds of the source's curve."""
        return np.interp(scores, self.knots, self.log_odds)

    def at(self, scores: Floats) -> Floats:
        """Chance of being right at some scores, in [0, 1]; never falls as the score rises."""
        return _logistic(self.offset + self.slope * self.base(scores))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Examples that were promised about the same chance of being right.

    Attributes:
        low: least chance of the bin.
        high: its end.
        examples: how many.
        promised: mean chance promised.
        right: share that was right.
    """

    low: float
    high: float
    examples: int
    promised: float
    right: float


def source_chance(counts: ScoreTally) -> RightChance:
    """The curve of all examples of a source, of which there is at least one.

    A step of the regression is not level but rises a little from end to end, by its standard error and not beyond the middle to
    its neighbours: within it, the examples cannot tell, and a tag of its own has to be able to.
    """
    from sklearn.isotonic import isotonic_regression

    share = np.asarray(isotonic_regression(counts.right / counts.weight, sample_weight=counts.weight))
    starts = np.flatnonzero(np.append(True, np.diff(share) > 0))
    ends = np.append(starts[1:], len(share)) - 1
    weight, right = np.add.reduceat(counts.weight, starts), np.add.reduceat(counts.right, starts)
    # Half an example more on each side: no step is certain.
    odds = np.maximum.accumulate(np.log((right + 0.5) / (weight - right + 0.5)))
    error = np.sqrt(1 / (right + 0.5) + 1 / (weight - right + 0.5)) * (ends > starts)
    rise = 0.5 * np.diff(odds)
    knots = np.stack([counts.score[starts], counts.score[ends]], axis=1).reshape(-1)
    low = odds - np.minimum(error, np.append(np.inf, rise))
    high = odds + np.minimum(error, np.append(rise, np.inf))
    log_odds = np.stack([low, high], axis=1).reshape(-1)
    plain = RightChance(knots, log_odds, 0.0, 1.0, counts.score, counts.density / counts.density.sum())
    return _with_usual_scores(plain, counts.score, counts.density)


def own_chance(parent: RightChance, counts: ScoreTally, prior_examples: float) -> RightChance:
    """The curve of a group or tag: its own examples, and `prior_examples` that behave as its parent."""
    made_up = _balance(parent.density, parent.at(parent.scores))
    # The parent's own answer stands at the parent's log-odds, so it is theirs that is bent.
    x = np.concatenate([_line(parent, counts.score), _line(parent, parent.scores)])
    weight = np.concatenate([counts.weight, prior_examples * made_up])
    right = np.concatenate([counts.right, prior_examples * made_up * parent.at(parent.scores)])
    offset, slope = _bent(x, weight, right)
    own = RightChance(
        parent.knots,
        parent.log_odds,
        offset + slope * parent.offset,
        slope * parent.slope,
        parent.scores,
        parent.density,
    )
    scores = np.concatenate([counts.score, parent.scores])
    return _with_usual_scores(own, scores, np.concatenate([counts.density, prior_examples * parent.density]))


def reliability_bins(promised: Floats, is_right: np.ndarray, bins: int = 10) -> list[ReliabilityBin]:
    """Promised chances against what came true, in bins of equal width over [0, 1]; empty bins are left out.

    Args:
        promised: float64 (n,), in [0, 1].
        is_right: bool (n,).
        bins: how many.
    """
    place = np.minimum((promised * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    mean = np.bincount(place, promised, bins) / np.maximum(count, 1)
    share = np.bincount(place, is_right, bins) / np.maximum(count, 1)
    return [
        ReliabilityBin(
            number / bins, (number + 1) / bins, int(count[number]), float(mean[number]), float(share[number])
        )
        for number in np.flatnonzero(count).tolist()
    ]


def _line(curve: RightChance, scores: Floats) -> Floats:
    return curve.offset + curve.slope * curve.base(scores)


def _logistic(log_odds: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * log_odds))


def _balance(density: Floats, chance: Floats) -> Floats:
    """Weights of points that sum to 1, half by where right ones lie, half by where wrong ones do.

    Both sides weigh the same however rare right ones are: a sample of the scores would say nothing about high ones.
    """
    right, wrong = density * chance, density * (1 - chance)
    return 0.5 * right / max(right.sum(), _CLOSE) + 0.5 * wrong / max(wrong.sum(), _CLOSE)


def _bent(x: Floats, weight: Floats, right: Floats) -> tuple[float, float]:
    """Offset and slope of the most likely line through weighted successes, by Newton's method; slope at its least if below."""
    offset, slope = _newton(x, weight, right, is_slope_free=True)
    if slope >= LEAST_SLOPE:
        return offset, slope
    return _newton(x, weight, right, is_slope_free=False)


def _newton(x: Floats, weight: Floats, right: Floats, *, is_slope_free: bool) -> tuple[float, float]:
    line = np.array([0.0, 1.0 if is_slope_free else LEAST_SLOPE])
    free = np.array([True, is_slope_free])
    design = np.stack([np.ones_like(x), x], axis=1)
    for _ in range(_STEPS):
        chance = _logistic(design @ line)
        gradient = design.T @ (right - weight * chance) - _RIDGE * (line - [0.0, 1.0])
        curvature = (design * (weight * chance * (1 - chance))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        # Full steps overshoot where nearly all chances are 0 or 1.
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), _CLOSE))
        line = line + step
        if np.abs(step).max() < _CLOSE:
            break
    return float(line[0]), float(line[1])


def _with_usual_scores(curve: RightChance, scores: Floats, density: Floats) -> RightChance:
    """The curve with these usual scores, brought down to `SKETCH_POINTS`: more of them where right ones lie."""
    order = np.argsort(scores, kind="stable")
    scores, density = scores[order], density[order]
    if len(scores) > SKETCH_POINTS:
        reached = np.cumsum(_balance(density, curve.at(scores)) + _CLOSE)
        part = np.minimum((reached / reached[-1] * SKETCH_POINTS).astype(np.int64), SKETCH_POINTS - 1)
        starts = np.flatnonzero(np.append(True, np.diff(part) > 0))
        spread = density + _CLOSE
        scores = np.add.reduceat(scores * spread, starts) / np.add.reduceat(spread, starts)
        density = np.add.reduceat(density, starts)
    return RightChance(
        curve.knots, curve.log_odds, curve.offset, curve.slope, scores, density / density.sum()
    )
