"""The vote: nearest source regions of a target image's regions -> scored tags, with the evidence kept.

The neighbours of all regions of an image are thrown together. Of each voter - a source image, or a group of copies of one - only
the best pair of regions counts; the best `k` voters share one vote between them, by similarity; a tag's score is the sum of the
shares of those that have it. So neither many regions nor many copies nor a far crowd can shout down a close neighbour.
A nearest-neighbour vote in the line of Guillaumin et al., TagProp (2009), with fixed weights: a correction for rare tags
was measured and did not help.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotag.domain.archive_tags import ArchiveTags, Ints, group_starts

Floats = npt.NDArray[np.float64]

NO_ROW = -1
"""Stands where a search found fewer neighbours than asked for."""

IN_DOUBT = "the best ones are for a person to judge"
"""In the reason of an image without tags whose best tags lie between what is dropped and what is given."""


@dataclass(frozen=True)
class VoteRules:
    """How neighbours become tags. The defaults suit vectors whose unrelated pairs have a similarity near 0.

    Attributes:
        k: voters of an image.
        min_votes: voters that a tag needs; fewer for rare tags, see `rare_share`.
        min_score: score that a tag needs, in [0, 1].
        min_similarity: an image whose nearest neighbour is less alike than this gets no tags.
        temperature: a voter that is less alike than the best by this much has a share smaller by the factor e.
        object_discount: taken from a pair's similarity once for each side that is an object and not a whole image.
        rare_share: a tag never needs more than this share of all voters that have it, so that one known from a few images of
            a small archive can be given at all.
        max_tags: tags of an image, best first.
        search_factor: neighbours to search for a region, as a multiple of `k`: several rows may belong to one voter.
    """

    k: int = 10
    min_votes: int = 3
    min_score: float = 0.44
    min_similarity: float = 0.2
    temperature: float = 0.08
    object_discount: float = 0.15
    rare_share: float = 0.25
    max_tags: int = 20
    search_factor: int = 4

    def __post_init__(self) -> None:
        """Refuse numbers that make no vote.

        Raises:
            ValueError: a number out of its range.
        """
        if min(self.k, self.min_votes, self.max_tags, self.search_factor) < 1:
            raise ValueError("k, min_votes, max_tags and search_factor of a vote must be 1 or more")
        if not (self.temperature > 0 and 0 <= self.min_score <= 1 and 0 <= self.rare_share <= 1):
            raise ValueError(
                "temperature of a vote must be above 0, min_score and rare_share between 0 and 1"
            )
        if self.object_discount < 0:
            raise ValueError("object_discount of a vote must be 0 or more")

    @property
    def neighbours(self) -> int:
        """Neighbours to search for each region."""
        return self.k * self.search_factor


@dataclass(frozen=True)
class TagMinimums:
    """Least scores tag by tag; they take the place of `VoteRules.min_score`.

    Attributes:
        minimum: float64 (tags,), by tag id; a tag with a lower score is not given; infinite: never.
        abstain_from: float64 (tags,), at most `minimum`; scores from here up to it are for people to judge.
    """

    minimum: Floats
    abstain_from: Floats


@dataclass(frozen=True)
class Neighbours:
    """What a search found for the regions of some target images: q regions, w neighbours each.

    Attributes:
        image: int64 (q,), target image of each region, 0 to `images` - 1, in any order.
        is_object: bool (q,), False where the region is the whole image.
        similarity: float (q, w), inner products; ignored where padded.
        rows: int64 (q, w), rows of the reference; `NO_ROW` where padded.
        images: number of target images; one without a region has no neighbours.
        own_voter: int64 (images,) or None. Neighbours of this voter are passed over: what an image of the archive itself
            needs when the vote is measured by leaving one out; -1 for none.
    """

    image: Ints
    is_object: npt.NDArray[np.bool_]
    similarity: npt.NDArray[np.floating]
    rows: Ints
    images: int
    own_voter: Ints | None = None


@dataclass(frozen=True)
class GivenTags:
    """Tags, one row each: by image, then falling score, then tag id.

    Attributes:
        image: int64, target image.
        tag: int64, tag id.
        score: float64, in [0, 1].
        votes: int64, voters that have the tag.
    """

    image: Ints
    tag: Ints
    score: Floats
    votes: Ints


@dataclass(frozen=True)
class Evidence:
    """Who spoke for a given tag, one row a voter: in the order of the tags, then by falling share.

    Attributes:
        given: int64, row of `GivenTags`.
        region: int64, row of `Neighbours`: the target region of the voter's best pair.
        row: int64, row of the reference: the source region of that pair.
        similarity: float64, of that pair, before any discount.
        share: float64, part of the tag's score, in [0, 1]; the shares of a tag sum to 1.
    """

    given: Ints
    region: Ints
    row: Ints
    similarity: Floats
    share: Floats


@dataclass(frozen=True)
class VoteResult:
    """Outcome for all images.

    Attributes:
        tags: the given tags.
        evidence: who spoke for them.
        reasons: one an image: empty where it has tags, else why it has none.
        undecided: tags that nobody is sure enough of to give them, but whose scores a person should judge; none without
            `TagMinimums`.
    """

    tags: GivenTags
    evidence: Evidence
    reasons: list[str]
    undecided: GivenTags


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
    pairs = _best_pairs(neighbours, archive, rules)
    ballots = _ballots(pairs, archive)
    is_voted = ballots.votes >= _votes_needed(ballots.tag, archive, rules)
    least = _least(ballots, rules, minimums)
    order = _best(ballots, is_voted & (ballots.score >= least), rules)
    given = _given(ballots, order)
    in_doubt = np.zeros(len(ballots.tag), np.bool_)
    if minimums:
        in_doubt = is_voted & (ballots.score >= minimums.abstain_from[ballots.tag]) & (ballots.score < least)
    undecided = _given(ballots, _best(ballots, in_doubt, rules))
    reasons = _reasons(neighbours.images, pairs, ballots, given, rules, minimums)
    _tell_doubts(reasons, undecided)
    return VoteResult(given, _evidence(pairs, ballots, order), reasons, undecided)


@dataclass(frozen=True)
class _Pairs:
    """The best pair of each voter that has a share: by image, then falling similarity, then row."""

    image: Ints
    region: Ints
    row: Ints
    similarity: Floats
    share: Floats
    nearest: Floats
    """Best similarity of each target image, -inf where there is no neighbour; unlike the rest (images,)."""


@dataclass(frozen=True)
class _Ballots:
    """Sums by image and tag, and the (voter, tag) marks they were summed from, sorted likewise."""

    image: Ints
    tag: Ints
    score: Floats
    votes: Ints
    mark_pair: Ints
    mark_start: Ints


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


def _best_pairs(neighbours: Neighbours, archive: ArchiveTags, rules: VoteRules) -> _Pairs:
    region, column = np.nonzero((neighbours.rows != NO_ROW) & np.isfinite(neighbours.similarity))
    row = neighbours.rows[region, column].astype(np.int64)
    image, voter = neighbours.image[region], archive.voter[archive.media[row]]
    similarity = neighbours.similarity[region, column].astype(np.float64)
    objects = neighbours.is_object[region].astype(np.float64) + archive.is_object[row]
    merit = similarity - rules.object_discount * objects
    if archive.weight is not None:
        # A share is exp(merit / temperature): this multiplies it by the weight, and the smaller, the later the place.
        merit = merit + rules.temperature * np.log(archive.weight[archive.media[row]])
    order = np.lexsort((region, row, -merit, voter, image))
    if neighbours.own_voter is not None:
        order = order[(voter != neighbours.own_voter[image])[order]]
    order = order[group_starts(image[order], voter[order])]
    order = order[np.lexsort((row[order], -merit[order], image[order]))]
    order = order[_place_in_image(image[order]) < rules.k]
    nearest = np.full(neighbours.images, -np.inf)
    np.maximum.at(nearest, image[order], similarity[order])
    order = order[nearest[image[order]] >= rules.min_similarity]
    share = _shares(image[order], merit[order], rules.temperature)
    return _Pairs(image[order], region[order].astype(np.int64), row[order], similarity[order], share, nearest)


def _shares(image: Ints, merit: Floats, temperature: float) -> Floats:
    """Softmax within each image; its entries stand together, the best first."""
    starts = group_starts(image)
    if not len(starts):
        return np.zeros(0)
    sizes = np.diff(np.append(starts, len(image)))
    weight = np.exp((merit - np.repeat(merit[starts], sizes)) / temperature)
    return weight / np.repeat(np.add.reduceat(weight, starts), sizes)


def _ballots(pairs: _Pairs, archive: ArchiveTags) -> _Ballots:
    pair, tag = archive.tags_of(archive.media[pairs.row])
    order = np.lexsort((pair, tag, pairs.image[pair]))
    pair, tag = pair[order], tag[order]
    starts = group_starts(pairs.image[pair], tag)
    score = np.add.reduceat(pairs.share[pair], starts) if len(starts) else np.zeros(0)
    return _Ballots(
        image=pairs.image[pair[starts]],
        tag=tag[starts],
        # Shares that sum to 1 may pass it by a rounding error.
        score=np.minimum(score, 1.0),
        votes=np.diff(np.append(starts, len(pair))),
        mark_pair=pair,
        mark_start=starts.astype(np.int64),
    )


def _best(ballots: _Ballots, chosen: npt.NDArray[np.bool_], rules: VoteRules) -> npt.NDArray[np.intp]:
    """Those chosen: by image, then falling score, then tag; at most `max_tags` an image."""
    order = np.lexsort((ballots.tag, -ballots.score, ballots.image))
    order = order[chosen[order]]
    return order[_place_in_image(ballots.image[order]) < rules.max_tags]


def _given(ballots: _Ballots, order: npt.NDArray[np.intp]) -> GivenTags:
    return GivenTags(ballots.image[order], ballots.tag[order], ballots.score[order], ballots.votes[order])


def _votes_needed(tag: Ints, archive: ArchiveTags, rules: VoteRules) -> Floats:
    attainable = np.ceil(archive.carriers[tag] * rules.rare_share)
    return np.minimum(rules.min_votes, np.maximum(attainable, 1))


def _place_in_image(image: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal numbers."""
    starts = group_starts(image)
    sizes = np.diff(np.append(starts, len(image)))
    return np.arange(len(image)) - np.repeat(starts, sizes)


def _evidence(pairs: _Pairs, ballots: _Ballots, order: npt.NDArray[np.intp]) -> Evidence:
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
    pairs: _Pairs,
    ballots: _Ballots,
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


def _least(ballots: _Ballots, rules: VoteRules, minimums: TagMinimums | None) -> Floats:
    return minimums.minimum[ballots.tag] if minimums else np.full(len(ballots.tag), rules.min_score)
