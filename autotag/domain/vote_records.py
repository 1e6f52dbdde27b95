"""What goes into a vote and what comes out of it, as columns: a row each region, tag or voter."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotag.domain.archive_tags import Floats, Ints

NO_ROW = -1
"""Stands where a search found fewer neighbours than asked for."""


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
