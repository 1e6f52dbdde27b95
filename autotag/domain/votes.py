"""The vote: nearest source regions of a target image's regions -> scored tags, with the evidence kept.

The neighbours of all regions of an image are thrown together. Of each voter - a source image, or a group of copies of one - only
the best pair of regions counts; the best `k` voters share one vote between them, by similarity; a tag's score is the sum of the
shares of those that have it. So neither many regions nor many copies nor a far crowd can shout down a close neighbour.
A nearest-neighbour vote in the line of Guillaumin et al., TagProp (2009), with fixed weights: a correction for rare tags
was measured and did not help.
"""

import numpy as np
import numpy.typing as npt

from autotag.domain.archive_tags import ArchiveTags, Floats, group_starts
from autotag.domain.vote_counting import Ballots, Pairs, best_ballots, best_pairs, sum_by_tag, votes_needed
from autotag.domain.vote_records import Evidence, GivenTags, Neighbours, VoteResult
from autotag.domain.vote_rules import TagMinimums, VoteRules

IN_DOUBT = "the best ones are for a person to judge"
"""In the reason of an image without tags whose best tags lie between what is dropped and what is given."""


def vote(
    neighbours: Neighbours, archive: ArchiveTags, rules: VoteRules, minimums: TagMinimums | None = None
) -> VoteResult:
    """Tag some images. `minimums` has an entry for each tag id of the archive.

    The answer for an image does not depend on the other images, nor on the order of regions or neighbours; equally alike
    neighbours rank by row. No images give empty arrays.

    Raises:
        ValueError: shapes that do not fit together, or rows that the archive does not have.
    """
    _check(neighbours, archive)
    pairs = best_pairs(neighbours, archive, rules)
    ballots = sum_by_tag(pairs, archive)
    is_voted = ballots.votes >= votes_needed(ballots.tag, archive, rules)
    least = _least(ballots, rules, minimums)
    order = best_ballots(ballots, is_voted & (ballots.score >= least), rules)
    given = _given(ballots, order)
    in_doubt = np.zeros(len(ballots.tag), np.bool_)
    if minimums:
        in_doubt = is_voted & (ballots.score >= minimums.abstain_from[ballots.tag]) & (ballots.score < least)
    undecided = _given(ballots, best_ballots(ballots, in_doubt, rules))
    reasons = _reasons(neighbours.images, pairs, ballots, given, rules, minimums)
    _tell_doubts(reasons, undecided)
    return VoteResult(given, _evidence(pairs, ballots, order), reasons, undecided)


def _check(neighbours: Neighbours, archive: ArchiveTags) -> None:
    regions = len(neighbours.image)
    if not (
        neighbours.rows.ndim == 2
        and neighbours.rows.shape == neighbours.similarity.shape
        and len(neighbours.rows) == regions == len(neighbours.is_object)
    ):
        raise ValueError(
            f"{regions} regions with neighbours of shape {neighbours.rows.shape} and similarities of shape "
            f"{neighbours.similarity.shape}: give one line a region"
        )
    if neighbours.rows.size and int(neighbours.rows.max()) >= len(archive.media):
        raise ValueError(
            f"neighbour row {neighbours.rows.max()} is not among the archive's {len(archive.media)} rows"
        )
    if regions and not 0 <= int(neighbours.image.min()) <= int(neighbours.image.max()) < neighbours.images:
        raise ValueError(f"regions name an image that is not among the {neighbours.images}")


def _given(ballots: Ballots, order: npt.NDArray[np.intp]) -> GivenTags:
    return GivenTags(ballots.image[order], ballots.tag[order], ballots.score[order], ballots.votes[order])


def _least(ballots: Ballots, rules: VoteRules, minimums: TagMinimums | None) -> Floats:
    return minimums.minimum[ballots.tag] if minimums else np.full(len(ballots.tag), rules.min_score)


def _evidence(pairs: Pairs, ballots: Ballots, order: npt.NDArray[np.intp]) -> Evidence:
    ends = np.append(ballots.mark_start[1:], len(ballots.mark_pair))
    sizes = ends[order] - ballots.mark_start[order]
    given = np.repeat(np.arange(len(order)), sizes)
    within = np.arange(len(given)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pair = ballots.mark_pair[ballots.mark_start[order][given] + within]
    total = np.add.reduceat(pairs.share[pair], group_starts(given)) if len(given) else np.zeros(0)
    return Evidence(
        given, pairs.region[pair], pairs.row[pair], pairs.similarity[pair], pairs.share[pair] / total[given]
    )


def _reasons(
    images: int,
    pairs: Pairs,
    ballots: Ballots,
    given: GivenTags,
    rules: VoteRules,
    minimums: TagMinimums | None,
) -> list[str]:
    reasons = [""] * images
    best, surplus = np.full(images, -np.inf), np.full(images, -np.inf)
    np.maximum.at(best, ballots.image, ballots.score)
    np.maximum.at(surplus, ballots.image, ballots.score - _least(ballots, rules, minimums))
    asked = "its own threshold" if minimums else f"score {rules.min_score:.2f}"
    for image in np.setdiff1d(np.arange(images), given.image).tolist():
        nearest = pairs.nearest[image]
        if nearest == -np.inf:
            reasons[image] = "no neighbour in the reference index"
        elif nearest < rules.min_similarity:
            reasons[image] = (
                f"no neighbour above similarity {rules.min_similarity:.2f} (the best has {nearest:.2f})"
            )
        elif best[image] == -np.inf:
            reasons[image] = "the nearest neighbours have no tags"
        elif surplus[image] < 0:
            reasons[image] = f"no tag reached {asked} (the best has {best[image]:.2f})"
        else:
            reasons[image] = f"no tag with enough score reached {rules.min_votes} votes"
    return reasons


def _tell_doubts(reasons: list[str], undecided: GivenTags) -> None:
    """Images without tags that have some in doubt: that is why."""
    for start in group_starts(undecided.image).tolist():
        image, score = int(undecided.image[start]), undecided.score[start]
        if reasons[image]:
            reasons[image] = f"not sure enough of any tag: {IN_DOUBT} (the best has {score:.2f})"
