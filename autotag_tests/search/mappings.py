"""Mappings of made-up archives, written and opened as a release's are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from autotag.domain.schemas import REFERENCE_IMAGES, REFERENCE_REGIONS, REFERENCE_TAGS
from autotag.reference.manifest import IMAGES_FILE, REGIONS_FILE, TAGS_FILE
from autotag.search.reference_mapping import ReferenceMapping
from autotag.storage.mapped_tables import MappedTableWriter

Image = tuple[int, int, list[str]]
"""Objects beside the whole image, hash and tags of an image."""


def mapping_of(directory: Path, images: Sequence[Image]) -> ReferenceMapping:
    """Image i is `k<i>` of shard 00000 or 00001; box x0 is the region's index."""
    regions = np.array([objects + 1 for objects, _, _ in images], np.int64)
    owner = np.repeat(np.arange(len(images)), regions)
    index = np.arange(len(owner)) - np.repeat(np.cumsum(regions) - regions, regions)
    names = list(dict.fromkeys(tag for _, _, tags in images for tag in tags))
    shards = [number % 2 for number in range(len(images))]
    tables = {
        REGIONS_FILE: pa.table(
            {"image": owner, "region_index": index, "box_xyxy_px": [[place, 0, 9, 9] for place in index]},
            REFERENCE_REGIONS,
        ),
        IMAGES_FILE: pa.table(
            {
                "media_id": [number.to_bytes(32) for number in range(len(images))],
                "shard": pa.DictionaryArray.from_arrays(pa.array(shards, pa.int32()), ["00000", "00001"]),
                "key": [f"k{number}" for number in range(len(images))],
                "phash": pa.array([phash for _, phash, _ in images], pa.uint64()),
                "first_row": np.cumsum(regions) - regions,
                "regions": regions,
                "tags": [[names.index(tag) for tag in tags] for _, _, tags in images],
            },
            REFERENCE_IMAGES,
        ),
        TAGS_FILE: pa.table(
            {"tag": names, "images": [sum(name in tags for _, _, tags in images) for name in names]},
            REFERENCE_TAGS,
        ),
    }
    for name, table in tables.items():
        with MappedTableWriter(directory / name, table.schema) as writer:
            writer.write(table)
    return ReferenceMapping.open(directory, len(owner))
