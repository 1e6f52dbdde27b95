"""How neighbours become tags: the numbers of a vote."""

from dataclasses import dataclass

from autotag.domain.archive_tags import Floats


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
