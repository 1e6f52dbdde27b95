"""The arithmetic of the vote: each voter's best pair of regions, its share, and the sums by tag."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotag.domain.archive_tags import ArchiveTags, Floats, Ints, group_starts
from autotag.domain.vote_records import NO_ROW, Neighbours
from autotag.domain.vote_rules import VoteRules


@dataclass(frozen=True)
class Pairs:
    """The best pair of each voter that has a share: by image, then falling similarity, then row."""

    image: Ints
    region: Ints
    row: Ints
    similarity: Floats
    share: Floats
    nearest: Floats
    """Best similarity of each target image, -inf where there is no neighbour; unlike the rest (images,)."""


@dataclass(frozen=True)
class Ballots:
    """Sums by image and tag, and the (voter, tag) marks they were summed from, sorted likewise."""

    image: Ints
    tag: Ints
    score: Floats
    votes: Ints
    mark_pair: Ints
    mark_start: Ints


def best_pairs(neighbours: Neighbours, archive: ArchiveTags, rules: VoteRules) -> Pairs:
    """One pair of regions a voter, of the best `k` voters of each image; none of an image without a near neighbour."""
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
    return Pairs(image[order], region[order].astype(np.int64), row[order], similarity[order], share, nearest)


def _shares(image: Ints, merit: Floats, temperature: float) -> Floats:
    """Softmax within each image; its entries stand together, the best first."""
    starts = group_starts(image)
    if not len(starts):
        return np.zeros(0)
    sizes = np.diff(np.append(starts, len(image)))
    weight = np.exp((merit - np.repeat(merit[starts], sizes)) / temperature)
    return weight / np.repeat(np.add.reduceat(weight, starts), sizes)


def sum_by_tag(pairs: Pairs, archive: ArchiveTags) -> Ballots:
    """What each tag of each image has: its score, its votes, and the pairs that gave them; `mark_pair` are rows of `pairs`."""
    pair, tag = archive.tags_of(archive.media[pairs.row])
    order = np.lexsort((pair, tag, pairs.image[pair]))
    pair, tag = pair[order], tag[order]
    starts = group_starts(pairs.image[pair], tag)
    score = np.add.reduceat(pairs.share[pair], starts) if len(starts) else np.zeros(0)
    return Ballots(
        image=pairs.image[pair[starts]],
        tag=tag[starts],
        # Shares that sum to 1 may pass it by a rounding error.
        score=np.minimum(score, 1.0),
        votes=np.diff(np.append(starts, len(pair))),
        mark_pair=pair,
        mark_start=starts.astype(np.int64),
    )


def best_ballots(ballots: Ballots, chosen: npt.NDArray[np.bool_], rules: VoteRules) -> npt.NDArray[np.intp]:
    """Those chosen: by image, then falling score, then tag; at most `max_tags` an image."""
    order = np.lexsort((ballots.tag, -ballots.score, ballots.image))
    order = order[chosen[order]]
    return order[_place_in_image(ballots.image[order]) < rules.max_tags]


def votes_needed(tag: Ints, archive: ArchiveTags, rules: VoteRules) -> Floats:
    """Votes that each of these tags needs, float64, 1 or more: `min_votes`, or fewer for a rare one."""
    attainable = np.ceil(archive.carriers[tag] * rules.rare_share)
    return np.minimum(rules.min_votes, np.maximum(attainable, 1))


def _place_in_image(image: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal numbers."""
    starts = group_starts(image)
    sizes = np.diff(np.append(starts, len(image)))
    return np.arange(len(image)) - np.repeat(starts, sizes)
