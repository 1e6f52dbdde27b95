"""The reference mapping as the vote sees it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.archive_tags import ArchiveTags, Ints
from autotag.domain.arrow_columns import codes, is_equal, list_lengths, list_values
from autotag.domain.near_duplicates import hashes_of, near_duplicate_groups


class ArchiveView:
    """Rows of a mapping numbered for the vote.

    Attributes:
        media: int64 (n,), source image of each row, 0 to m - 1.
        tag_names: name of each tag id.
    """

    def __init__(self, mapping: pa.Table) -> None:
        """`mapping` has the columns of `REFERENCE_MAPPING`; all rows of an image have its tags and its hash."""
        self._mapping = mapping
        self.media: Ints = codes(mapping["media_id"])[0]
        self._is_object = is_equal(mapping["kind"], "object")
        _, self._first_row = np.unique(self.media, return_index=True)
        tags = mapping["tags"].take(pa.array(self._first_row))
        self._tag_ids, names = codes(list_values(tags))
        self.tag_names: list[str] = names.to_pylist()
        self._tag_starts = np.zeros(len(self._first_row) + 1, np.int64)
        self._tag_starts[1:] = np.cumsum(list_lengths(tags))

    @property
    def images(self) -> int:
        """Source images."""
        return len(self._first_row)

    def tags(self, seen: npt.NDArray[np.int64]) -> ArchiveTags:
        """The whole archive, with the copies among the `seen` images joined to one voter each.

        Comparing all images of a large archive for each folder would take minutes; only those seen can vote.

        Args:
            seen: source images that are neighbours of something, in any order, also several times; the rest
                are voters by themselves.
        """
        voter = np.arange(self.images, dtype=np.int64)
        seen = np.unique(seen)
        if len(seen):
            rows = pa.array(self._first_row[seen])
            groups = near_duplicate_groups(hashes_of(self._mapping["phash"].take(rows).to_pylist()))
            voter[seen] = seen[groups]
        return ArchiveTags(self.media, self._is_object, self._tag_starts, self._tag_ids, voter)
