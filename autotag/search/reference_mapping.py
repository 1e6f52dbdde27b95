"""From rows of a reference index to the archive images they lie in, and to their tags; only what is asked for is read."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import is_in, list_lengths, list_values
from autotag.domain.identity import region_id
from autotag.domain.schemas import REFERENCE_IMAGES, REFERENCE_REGIONS, REFERENCE_TAGS
from autotag.errors import CorruptIndexError
from autotag.reference.manifest import IMAGES_FILE, REGIONS_FILE, TAGS_FILE
from autotag.storage.mapped_tables import MappedTable

Ints = npt.NDArray[np.int64]

_TAGS_AT_ONCE = 65_536
_IMAGES_AT_ONCE = 65_536


class ReferenceMapping:
    """The mapped tables of a release. Images and tags are numbered from 0.

    Opening takes the same time and memory however many rows there are; what a look-up takes follows the rows asked for.
    """

    def __init__(self, regions: MappedTable, images: MappedTable, tags: MappedTable) -> None:
        self._regions = regions
        self._images = images
        self._tags = tags

    @classmethod
    def open(cls, directory: Path, rows: int) -> Self:
        """Open the tables of a local release, whose bytes have been checked.

        Args:
            directory: holds the files.
            rows: vectors of the index.

        Raises:
            CorruptIndexError: they are no such tables, or describe another number of vectors.
        """
        regions = MappedTable(directory / REGIONS_FILE, REFERENCE_REGIONS)
        if regions.rows != rows:
            raise CorruptIndexError(
                f"{directory / REGIONS_FILE} has {regions.rows} rows, the index {rows}; run `autotag build-index`"
            )
        images = MappedTable(directory / IMAGES_FILE, REFERENCE_IMAGES)
        return cls(regions, images, MappedTable(directory / TAGS_FILE, REFERENCE_TAGS))

    @property
    def rows(self) -> int:
        """Regions, one a vector."""
        return self._regions.rows

    @property
    def tags(self) -> int:
        """Different tags."""
        return self._tags.rows

    def regions(self, rows: Ints, columns: list[str] | None = None) -> pa.Table:
        """Columns of `REFERENCE_REGIONS`, one row for each of `rows`, in their order."""
        return self._regions.take(rows, columns)

    def images_of(self, rows: Ints) -> Ints:
        """int64 (n,): the image of each row."""
        return self.regions(rows, ["image"])["image"].to_numpy()

    def images(self, numbers: Ints, columns: list[str] | None = None) -> pa.Table:
        """Columns of `REFERENCE_IMAGES`, one row for each image, in their order."""
        return self._images.take(numbers, columns)

    def tag_names(self, tags: Ints) -> list[str]:
        """The name of each tag."""
        return self._tags.take(tags, ["tag"])["tag"].to_pylist()

    def images_with(self, tags: Ints) -> Ints:
        """int64 (n,): how many images have each tag."""
        return self._tags.take(tags, ["images"])["images"].to_numpy()

    def images_with_names(self, names: Sequence[str]) -> Ints:
        """int64 (n,): how many images have each tag, by the tags' names; 0 for one the archive does not know.

        Reads the names of all tags.
        """
        found = dict.fromkeys(names, 0)
        for start in range(0, self._tags.rows if names else 0, _TAGS_AT_ONCE):
            every = self._tags.take(np.arange(start, min(start + _TAGS_AT_ONCE, self._tags.rows)))
            for row in every.filter(pa.array(is_in(every["tag"], list(found)))).to_pylist():
                found[row["tag"]] = row["images"]
        return np.array([found[name] for name in names], np.int64)

    def images_of_media(self, media_ids: Sequence[str]) -> dict[str, int]:
        """The image of each media id that the archive has; it has none twice. Reads the media ids of all images."""
        wanted = [bytes.fromhex(media) for media in media_ids]
        found: dict[str, int] = {}
        for start in range(0, self._images.rows if wanted else 0, _IMAGES_AT_ONCE):
            numbers = np.arange(start, min(start + _IMAGES_AT_ONCE, self._images.rows))
            media = self._images.take(numbers, ["media_id"])["media_id"]
            places = np.flatnonzero(is_in(media, wanted))
            found |= {media[place].as_py().hex(): start + place for place in places.tolist()}
        return found

    def tags_of(self, images: Ints) -> list[list[str]]:
        """The tags of each image by name, in the archive's order."""
        found = self.images(images, ["tags"])["tags"]
        names = iter(self.tag_names(list_values(found).to_numpy()))
        return [list(islice(names, length)) for length in list_lengths(found).tolist()]

    def described(self, rows: Ints) -> pa.Table:
        """The regions of some rows in words, in their order.

        Returns:
            Columns region_id, media_id, shard, key, kind and box_xyxy_px, as in the shards' tables.
        """
        distinct, place = np.unique(rows, return_inverse=True)
        regions = self.regions(distinct)
        images = self.images(regions["image"].to_numpy(), ["media_id", "shard", "key"])
        media = [value.hex() for value in images["media_id"].to_pylist()]
        index = regions["region_index"].to_pylist()
        names = [region_id(name, number) for name, number in zip(media, index, strict=True)]
        found = pa.table(
            {
                "region_id": pa.array(names, pa.string()),
                "media_id": pa.array(media, pa.string()),
                "shard": images["shard"].cast(pa.string()),
                "key": images["key"],
                "kind": pa.array(["object" if number else "image" for number in index], pa.string()),
                "box_xyxy_px": regions["box_xyxy_px"],
            }
        )
        return found.take(pa.array(place.reshape(-1)))
