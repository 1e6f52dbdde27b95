"""Scored tags of which it is known whether they are right: what thresholds are fitted to."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DECISIONS_HALVE = 50
"""Decisions of people about a tag that halve the weight of its archive examples: what is decided is nearer to what comes."""


@dataclass(frozen=True, slots=True, eq=False)
class TagExamples:
    """Examples of one source of tags, n of them, in any order.

    Attributes:
        tags: names of the tags, each once.
        tag: int64 (n,), place in `tags`.
        image: int64 (n,), equal for the examples of one image.
        score: float64 (n,), of the source, finite.
        is_right: bool (n,).
        is_decision: bool (n,), True where a person said so, False where the archive did.
    """

    tags: tuple[str, ...]
    tag: Ints
    image: Ints
    score: Floats
    is_right: Bools
    is_decision: Bools

    def __len__(self) -> int:
        return len(self.tag)

    def part(self, chosen: Bools | Ints) -> "TagExamples":
        """Some of them: bool (n,) or their places. The names stay."""
        return replace(
            self,
            tag=self.tag[chosen],
            image=self.image[chosen],
            score=self.score[chosen],
            is_right=self.is_right[chosen],
            is_decision=self.is_decision[chosen],
        )

    def weights(self) -> Floats:
        """float64 (n,), in (0, 1]: decisions 1, archive examples less the more decisions their tag has."""
        decisions = np.bincount(self.tag[self.is_decision], minlength=len(self.tags))
        of_archive = DECISIONS_HALVE / (DECISIONS_HALVE + decisions)
        return np.where(self.is_decision, 1.0, of_archive[self.tag])


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTally:
    """Examples counted by score; one entry a distinct score, ascending.

    Attributes:
        score: float64 (n,).
        weight: float64 (n,), summed weight of the examples.
        right: float64 (n,), of those that are right.
        density: float64 (n,), how often the score comes up: of the archive's examples, which were not chosen by their
            scores as decisions are; of decisions where there are no others.
        examples: int64 (n,), examples, unweighted.
        examples_right: int64 (n,), of those that are right.
    """

    score: Floats
    weight: Floats
    right: Floats
    density: Floats
    examples: Ints
    examples_right: Ints

    @property
    def total(self) -> float:
        """Summed weight."""
        return float(self.weight.sum())


def tally(examples: TagExamples, weights: Floats) -> ScoreTally:
    """Count examples by score; `weights` are theirs."""
    score, place = np.unique(examples.score, return_inverse=True)
    count = len(score)
    drawn = weights * ~examples.is_decision
    if not drawn.any():
        drawn = weights
    return ScoreTally(
        score=score,
        weight=_summed(place, weights, count),
        right=_summed(place, weights * examples.is_right, count),
        density=_summed(place, drawn, count),
        examples=np.bincount(place, minlength=count),
        examples_right=np.bincount(place, examples.is_right, count).astype(np.int64),
    )


def joined(archive: TagExamples, decided: TagExamples) -> TagExamples:
    """Both, with names and images numbered anew by the caller; a decision takes the place of the archive's word.

    Both number tags and images alike: `tags` of the two are equal, and an image that is in both has one number.

    Raises:
        ValueError: the names differ.
    """
    if archive.tags != decided.tags:
        raise ValueError("examples of the archive and of people name other tags")
    names = len(archive.tags)
    is_kept = ~np.isin(archive.image * names + archive.tag, decided.image * names + decided.tag)
    kept = archive.part(is_kept)
    return TagExamples(
        archive.tags,
        np.concatenate([kept.tag, decided.tag]),
        np.concatenate([kept.image, decided.image]),
        np.concatenate([kept.score, decided.score]),
        np.concatenate([kept.is_right, decided.is_right]),
        np.concatenate([kept.is_decision, decided.is_decision]),
    )


def _summed(place: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(place, values, count).astype(np.float64)
