"""Least scores of tags, fitted so that a wanted share of the given tags is right; and the scores that people should judge.

A tag's threshold is the lowest score at and above which the estimated share of right ones reaches the target. The estimate
at a score is the mean of the tag's curve (`reliability`) over the scores from there up, plus what its own examples there did
better or worse, as if `MODEL_EXAMPLES` more had done exactly as the curve says: with few examples the curve decides, with many
their own count. Counting alone would pick the lowest score that happened to do well, and keep less than it promised; what is left
of that is taken off as a part of the estimate's standard error.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autotag.domain.label_ranking import OTHERS
from autotag.domain.labels import LEVEL_MARK
from autotag.domain.reliability import RightChance, own_chance, source_chance
from autotag.domain.tag_examples import Floats, ScoreTally, TagExamples, tally

MODEL_EXAMPLES = 50
"""Examples that the curve counts for beside a tag's own at and above a score."""

ABSTAIN_SHARE = 0.5
"""A score is for people to judge from where its own chance of being right is this share of the target: below, looking costs
more than one in two looks."""

GROUP_DENSITY = 5.0
"""Examples that the group's usual scores count for beside a tag's own, at most: which scores a tag gets at all, few examples of
its own tell better than many of others."""

CAUTION = 0.35
"""Standard errors that the estimate is lowered by. The lowest score that seems good enough is rather one that is overrated; on
synthetic scores of several laws and base rates, this is by how much."""

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class FitRules:
    """What is wanted.

    Attributes:
        target_precision: share of the given tags that must be right, in (0, 1).
        prior_examples: examples that a tag's group counts for, at least 0.
    """

    target_precision: float
    prior_examples: float

    def __post_init__(self) -> None:
        """Refuse numbers that can be no target.

        Raises:
            ValueError: a number out of its range.
        """
        if not (0 < self.target_precision < 1 and self.prior_examples >= 0):
            raise ValueError("target_precision must lie between 0 and 1, prior_examples be 0 or more")


@dataclass(frozen=True, slots=True)
class FittedThreshold:
    """A tag's threshold and why; see the table schema `THRESHOLDS`.

    Attributes:
        tag: its name; `OTHERS` for all without examples of their own.
        threshold: least score; infinite where no score is enough.
        abstain_from: least score that a person should judge, at most `threshold`.
        precision: estimated share of right ones from `threshold` up; the best there is where that is infinite.
        examples: of the tag, right or wrong.
        right: of those.
        own_weight: in [0, 1], how much they count beside the group's.
        reason: in words.
    """

    tag: str
    threshold: float
    abstain_from: float
    precision: float
    examples: int
    right: int
    own_weight: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class FittedTags:
    """All tags of a source.

    Attributes:
        thresholds: of `OTHERS` first, then by name.
        chances: curve of each of them, by name.
    """

    thresholds: list[FittedThreshold]
    chances: dict[str, RightChance]


def fit_thresholds(examples: TagExamples, rules: FitRules) -> FittedTags:
    """Fit a source's tags. Tags without examples get no row, no examples give no rows at all."""
    if not len(examples):
        return FittedTags([], {})
    groups = _Groups(examples, rules)
    thresholds = [_fitted(OTHERS, groups.counts(OTHERS), groups.chance(OTHERS), None, rules)]
    chances = {OTHERS: groups.chance(OTHERS)}
    for tag, counts in sorted(groups.by_tag()):
        parent = groups.chance(group_of(tag))
        chances[tag] = own_chance(parent, counts, rules.prior_examples)
        thresholds.append(_fitted(tag, counts, chances[tag], parent, rules))
    return FittedTags(thresholds, chances)


def group_of(tag: str) -> str:
    """Whom a tag borrows from: those beside it below one parent, `animal` for `animal|bird`; `OTHERS`, all tags, where it has none."""
    return tag.rpartition(LEVEL_MARK)[0] or OTHERS


class _Groups:
    """Examples by tag, and curves of groups, each made once."""

    def __init__(self, examples: TagExamples, rules: FitRules) -> None:
        order = np.argsort(examples.tag, kind="stable")
        self._examples, self._weights = examples.part(order), examples.weights()[order]
        self._rules = rules
        self._chances: dict[str, RightChance] = {}

    def by_tag(self) -> Iterator[tuple[str, ScoreTally]]:
        """Tags that have examples."""
        edges = np.searchsorted(self._examples.tag, np.arange(len(self._examples.tags) + 1))
        for number, tag in enumerate(self._examples.tags):
            own = np.arange(edges[number], edges[number + 1])
            if len(own):
                yield tag, tally(self._examples.part(own), self._weights[own])

    def counts(self, group: str) -> ScoreTally:
        """Examples of all tags below a group."""
        if group == OTHERS:
            return tally(self._examples, self._weights)
        below = np.array([tag.startswith(group + LEVEL_MARK) for tag in self._examples.tags])
        inside = below[self._examples.tag]
        return tally(self._examples.part(inside), self._weights[inside])

    def chance(self, group: str) -> RightChance:
        """A group's curve, which borrows from its own group."""
        if group not in self._chances:
            counts = self.counts(group)
            self._chances[group] = (
                source_chance(counts)
                if group == OTHERS
                else own_chance(self.chance(group_of(group)), counts, self._rules.prior_examples)
            )
        return self._chances[group]


def _fitted(
    tag: str, counts: ScoreTally, chance: RightChance, parent: RightChance | None, rules: FitRules
) -> FittedThreshold:
    prior = rules.prior_examples if parent else 0.0
    scores, precision = _precision_above(counts, chance, parent, prior)
    enough = np.flatnonzero(precision >= rules.target_precision)
    place = int(enough[0]) if len(enough) else None
    threshold = math.inf if place is None else _reached_by(float(scores[place]))
    worth = np.flatnonzero(chance.at(scores) >= ABSTAIN_SHARE * rules.target_precision)
    abstain_from = _reached_by(float(scores[worth[0]])) if len(worth) else math.inf
    return FittedThreshold(
        tag=tag,
        threshold=threshold,
        abstain_from=min(abstain_from, threshold),
        precision=float(precision[-1 if place is None else place]),
        examples=int(counts.examples.sum()),
        right=int(counts.examples_right.sum()),
        own_weight=counts.total / (counts.total + prior),
        reason=_reason(tag, counts, threshold, rules),
    )


def _precision_above(
    counts: ScoreTally, chance: RightChance, parent: RightChance | None, prior_examples: float
) -> tuple[Floats, Floats]:
    """Ascending distinct scores, and the estimated share of right ones from each of them up, which never falls."""
    from sklearn.isotonic import isotonic_regression

    further, usual = (parent.scores, parent.density) if parent else (np.zeros(0), np.zeros(0))
    scores, place = np.unique(np.concatenate([counts.score, further]), return_inverse=True)
    own, theirs = place[: len(counts.score)], place[len(counts.score) :]
    density = np.full(len(scores), _TINY)
    density[own] += counts.density
    np.add.at(density, theirs, min(prior_examples, GROUP_DENSITY) * usual)
    weight, better = np.zeros(len(scores)), np.zeros(len(scores))
    chances = chance.at(scores)
    weight[own] = counts.weight
    better[own] = counts.right - counts.weight * chances[own]
    by_curve = _from_top(density * chances) / _from_top(density)
    estimate = by_curve + _from_top(better) / (_from_top(weight) + MODEL_EXAMPLES)
    estimate = np.clip(estimate, 0, 1)
    error = np.sqrt(estimate * (1 - estimate) / (_from_top(weight) + max(prior_examples, 1.0)))
    cautious = np.maximum(estimate - CAUTION * error, 0)
    return scores, np.asarray(isotonic_regression(cautious, sample_weight=density))


def _from_top(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values[::-1])[::-1]


def _reached_by(score: float) -> float:
    """A float32 just below: stored thresholds are 32 bits wide, and the score itself must reach its own."""
    return float(np.nextafter(np.float32(score), np.float32(-np.inf)))


def _reason(tag: str, counts: ScoreTally, threshold: float, rules: FitRules) -> str:
    own, right = _from_top(counts.examples), _from_top(counts.examples_right)
    if math.isinf(threshold):
        best = int(np.argmax((right + 1) / (own + 2)))
        return f"no score reaches {rules.target_precision:.2f}: {right[best]} of {own[best]} right at best"
    inside = int(counts.examples[counts.score >= threshold].sum())
    found = int(counts.examples_right[counts.score >= threshold].sum())
    told = f"{found} of {inside} right from there up"
    if tag != OTHERS and inside < rules.prior_examples:
        return f"{told}; few examples there, so mostly as {group_of(tag) or 'all tags'}"
    return told
