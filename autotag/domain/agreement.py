"""How far two taggings of the same images agree: precision, recall and F1, pooled and tag by tag.

0 / 0 counts as 0, as scikit-learn does with `zero_division=0`: a tag that was never given has precision 0, one
that was never expected has recall 0, and where nothing was given and nothing expected every score is 0.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scores:
    """Each in [0, 1].

    Attributes:
        precision: part of the given tags that were expected.
        recall: part of the expected tags that were given.
        f1: harmonic mean of both; of the macro scores, the mean of the tags' F1.
    """

    precision: float
    recall: float
    f1: float

    @classmethod
    def of_counts(cls, tp: int, fp: int, fn: int) -> "Scores":
        """Scores of one table of counts."""
        return cls(_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn))

    @classmethod
    def mean_of(cls, scores: Sequence["Scores"]) -> "Scores":
        """Plain mean of each score; all 0 for an empty sequence."""
        return cls(
            _ratio(sum(each.precision for each in scores), len(scores)),
            _ratio(sum(each.recall for each in scores), len(scores)),
            _ratio(sum(each.f1 for each in scores), len(scores)),
        )


@dataclass(frozen=True, slots=True)
class TagAgreement:
    """One tag over all images.

    Attributes:
        tag: its name.
        tp: images where it was given and expected.
        fp: images where it was given only.
        fn: images where it was expected only.
    """

    tag: str
    tp: int
    fp: int
    fn: int

    @property
    def support(self) -> int:
        """Images where it was expected."""
        return self.tp + self.fn

    @property
    def scores(self) -> Scores:
        """Of this tag alone."""
        return Scores.of_counts(self.tp, self.fp, self.fn)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two taggings compared.

    Attributes:
        images: compared.
        exact: images with exactly the expected tags; two empty taggings count.
        micro: all decisions of all images pooled.
        macro: mean over the tags that were given or expected at least once, each tag weighing the same.
        per_tag: by falling support, then by name.
    """

    images: int
    exact: int
    micro: Scores
    macro: Scores
    per_tag: tuple[TagAgreement, ...]


def agreement(given: Sequence[Collection[str]], expected: Sequence[Collection[str]]) -> Agreement:
    """Compare two taggings.

    Args:
        given: tags of each image; order and repetition within an image do not count, spelling does.
        expected: the true tags of the same images, in the same order.

    Returns:
        Counts and scores; all 0 where there are no images, or no tags at all.

    Raises:
        ValueError: the two are not equally long.
    """
    tp, fp, fn = Counter[str](), Counter[str](), Counter[str]()
    exact = 0
    for ours, theirs in zip(given, expected, strict=True):
        found, wanted = set(ours), set(theirs)
        tp.update(found & wanted)
        fp.update(found - wanted)
        fn.update(wanted - found)
        exact += found == wanted
    per_tag = [TagAgreement(tag, tp[tag], fp[tag], fn[tag]) for tag in tp.keys() | fp.keys() | fn.keys()]
    per_tag.sort(key=lambda row: (-row.support, row.tag))
    return Agreement(
        images=len(given),
        exact=exact,
        micro=Scores.of_counts(tp.total(), fp.total(), fn.total()),
        macro=Scores.mean_of([row.scores for row in per_tag]),
        per_tag=tuple(per_tag),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
