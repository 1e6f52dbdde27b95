"""What the archive's rows stand for in a vote: which image a region belongs to, its tags, and which images are one voter."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ArchiveTags:
    """The rows of a reference index, seen by the vote. n rows of m source images, in any order.

    Attributes:
        media: int64 (n,), source image of each row, 0 to m - 1.
        is_object: bool (n,), False where the row is a whole image.
        tag_starts: int64 (m + 1,); the tags of image i are `tag_ids[tag_starts[i] : tag_starts[i + 1]]`.
        tag_ids: int64, ids of 0 or more, none twice in an image.
        voter: int64 (m,), 0 or more. Images of the same number are copies of each other: together they have one vote.
        elsewhere: int64 (tags,), how many images that are not among the m have each tag, each a voter by itself; None
            where the m are all there are.
        weight: float64 (m,), above 0: how much each image's voice counts; None where all count 1.
    """

    media: Ints
    is_object: npt.NDArray[np.bool_]
    tag_starts: Ints
    tag_ids: Ints
    voter: Ints
    elsewhere: Ints | None = None
    weight: Floats | None = None

    @classmethod
    def of_lists(
        cls,
        media: npt.ArrayLike,
        is_object: npt.ArrayLike,
        tags: Sequence[Sequence[int]],
        voter: npt.ArrayLike | None = None,
    ) -> "ArchiveTags":
        """From plain lists; a tag given twice to an image counts once, and without `voter` each image votes for itself.

        Raises:
            ValueError: lengths or numbers do not fit together.
        """
        rows = np.asarray(media, dtype=np.int64).reshape(-1)
        objects = np.asarray(is_object, dtype=np.bool_).reshape(-1)
        voters = np.arange(len(tags)) if voter is None else np.asarray(voter, dtype=np.int64).reshape(-1)
        if len(rows) != len(objects) or len(voters) != len(tags):
            raise ValueError(
                f"{len(rows)} rows with {len(objects)} kinds, {len(tags)} images with {len(voters)} voters: "
                "give one kind a row and one voter an image"
            )
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(tags):
            raise ValueError(f"rows name images {rows.min()} to {rows.max()}, but there are {len(tags)}")
        unique = [sorted(set(each)) for each in tags]
        starts = np.zeros(len(tags) + 1, np.int64)
        starts[1:] = np.cumsum([len(each) for each in unique], dtype=np.int64)
        return cls(
            rows, objects, starts, np.array([tag for each in unique for tag in each], np.int64), voters
        )

    @cached_property
    def carriers(self) -> Ints:
        """int64 (tags,): how many voters have a copy with the tag."""
        image = np.repeat(np.arange(len(self.voter)), np.diff(self.tag_starts))
        pairs = np.unique(np.stack([self.tag_ids, self.voter[image]]), axis=1)
        seen = np.bincount(pairs[0], minlength=0 if self.elsewhere is None else len(self.elsewhere))
        return seen if self.elsewhere is None else seen + self.elsewhere

    def tags_of(self, media: Ints) -> tuple[Ints, Ints]:
        """The tags of some images, one after the other.

        Returns:
            Position in `media` and tag id of each (image, tag), both int64, positions rising.
        """
        starts, counts = self.tag_starts[media], self.tag_starts[media + 1] - self.tag_starts[media]
        position = np.repeat(np.arange(len(media)), counts)
        within = np.arange(len(position)) - np.repeat(np.cumsum(counts) - counts, counts)
        return position, self.tag_ids[starts[position] + within]


def group_starts(*keys: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where a new combination of keys begins in arrays that are sorted by them; empty for empty arrays."""
    if not len(keys[0]):
        return np.zeros(0, np.intp)
    changes = np.zeros(len(keys[0]), np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes)
