"""What the rows of a reference index are, written beside it: regions, images and tags, each a table that can be mapped."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from autotag.domain.near_duplicates import hashes_of
from autotag.domain.schemas import REFERENCE_IMAGES, REFERENCE_REGIONS, REFERENCE_TAGS
from autotag.pipeline.reference_rows import ReferenceRows
from autotag.reference.manifest import IMAGES_FILE, REGIONS_FILE, TAGS_FILE
from autotag.storage.mapped_tables import MappedTableWriter


def write_mapping(rows: ReferenceRows, directory: Path) -> None:
    """Write regions.arrow, images.arrow and tags.arrow; row i of the first describes vector i.

    Memory holds a shard's rows without their vectors, a record batch, and every tag once.
    """
    tags = _Tags()
    shards = pa.array(rows.shards, pa.string())
    first_row = first_image = 0
    with (
        MappedTableWriter(directory / REGIONS_FILE, REFERENCE_REGIONS) as regions,
        MappedTableWriter(directory / IMAGES_FILE, REFERENCE_IMAGES) as images,
    ):
        for number, table in enumerate(rows.tables()):
            # Region 0, the whole image, comes first in every image.
            starts = np.flatnonzero(table["region_index"].to_numpy() == 0)
            lengths = np.diff(np.append(starts, table.num_rows))
            image = np.repeat(np.arange(first_image, first_image + len(starts)), lengths)
            regions.write(
                table.select(["region_index", "box_xyxy_px"]).add_column(0, "image", pa.array(image))
            )
            whole = table.take(pa.array(starts))
            columns = {
                "media_id": [bytes.fromhex(name) for name in whole["media_id"].to_pylist()],
                "shard": pa.DictionaryArray.from_arrays(pa.array([number] * len(starts), pa.int32()), shards),
                "key": whole["key"],
                "phash": hashes_of(whole["phash"].to_pylist()),
                "first_row": first_row + starts,
                "regions": lengths,
                "tags": tags.numbers(whole["tags"].to_pylist()),
            }
            images.write(pa.table(columns, REFERENCE_IMAGES))
            first_row, first_image = first_row + table.num_rows, first_image + len(starts)
    with MappedTableWriter(directory / TAGS_FILE, REFERENCE_TAGS) as writer:
        writer.write(tags.table())


class _Tags:
    """Numbers for names, in order of appearance, and how many images have each."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._images: Counter[int] = Counter()

    def numbers(self, names: Iterable[Iterable[str]]) -> list[list[int]]:
        """The numbers of each image's tags, none twice."""
        found = [
            [self._numbers.setdefault(name, len(self._numbers)) for name in dict.fromkeys(own)]
            for own in names
        ]
        self._images.update(chain.from_iterable(found))
        return found

    def table(self) -> pa.Table:
        """All of them."""
        images = [self._images[number] for number in self._numbers.values()]
        return pa.table({"tag": list(self._numbers), "images": images}, REFERENCE_TAGS)
