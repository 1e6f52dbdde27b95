"""The reference mapping as the vote sees it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from autotag.domain.archive_tags import ArchiveTags, Ints
from autotag.domain.near_duplicates import hashes_of, near_duplicate_groups


class ArchiveView:
    """Rows of a mapping numbered for the vote.

    Attributes:
        media: int64 (n,), source image of each row, 0 to m - 1.
        tag_names: name of each tag id.
    """

    def __init__(self, mapping: pa.Table) -> None:
        """`mapping` has the columns of `REFERENCE_MAPPING`; region 0 of every image is among its rows."""
        self._mapping = mapping
        self.media: Ints = _codes(mapping["media_id"])
        self._is_object = pc.equal(mapping["kind"], "object").to_numpy(zero_copy_only=False)
        _, self._first_row = np.unique(self.media, return_index=True)
        tags = _one_chunk(mapping["tags"].take(pa.array(self._first_row)))
        words = tags.flatten().dictionary_encode()
        self.tag_names: list[str] = words.dictionary.to_pylist()
        self._tag_ids = words.indices.to_numpy().astype(np.int64)
        self._tag_starts = np.zeros(len(self._first_row) + 1, np.int64)
        self._tag_starts[1:] = np.cumsum(pc.list_value_length(tags).to_numpy(zero_copy_only=False))

    @property
    def images(self) -> int:
        """Source images."""
        return len(self._first_row)

    def tags(self, seen: npt.NDArray[np.int64]) -> ArchiveTags:
        """The whole archive, with the copies among the `seen` images joined to one voter each.

        Args:
            seen: source images that are neighbours of something; the rest are voters by themselves.
        """
        voter = np.arange(self.images, dtype=np.int64)
        seen = np.unique(seen)
        if len(seen):
            rows = pa.array(self._first_row[seen])
            groups = near_duplicate_groups(hashes_of(self._mapping["phash"].take(rows).to_pylist()))
            voter[seen] = seen[groups]
        return ArchiveTags(self.media, self._is_object, self._tag_starts, self._tag_ids, voter)


def _codes(column: pa.ChunkedArray) -> Ints:
    return _one_chunk(column).dictionary_encode().indices.to_numpy().astype(np.int64)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined
