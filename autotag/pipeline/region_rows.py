"""Regions and vectors as table columns, for source and target alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from autotag.compute.kernel import EmbeddedImage
from autotag.domain.identity import region_id
from autotag.domain.regions import Region
from autotag.domain.vectors import vectors_to_arrow

REGION_COLUMNS = ["region_index", "kind", "box_xyxy_px", "class_name", "score"]


def region_columns(media_ids: Sequence[str], regions: Sequence[Sequence[Region]]) -> dict[str, list[Any]]:
    """Columns of the regions of several images, image after image.

    Args:
        media_ids: one an image.
        regions: the regions of each image, region 0 first.
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "region_id",
            "media_id",
            "region_index",
            "kind",
            "box_xyxy_px",
            "area_px",
            "class_name",
            "score",
        )
    }
    for media, found in zip(media_ids, regions, strict=True):
        for index, region in enumerate(found):
            columns["region_id"].append(region_id(media, index))
            columns["media_id"].append(media)
            columns["region_index"].append(index)
            columns["kind"].append(region.kind)
            columns["box_xyxy_px"].append(list(region.box_xyxy_px))
            columns["area_px"].append(region.area_px)
            columns["class_name"].append(region.class_name)
            columns["score"].append(region.score)
    return columns


def embedding_column(images: Sequence[EmbeddedImage]) -> pa.FixedSizeListArray:
    """Vectors of several images, image after image, region after region."""
    return vectors_to_arrow(np.concatenate([image.vectors for image in images]))


def repeat_for_regions(values: Sequence[Any], regions: Sequence[Sequence[Region]]) -> list[Any]:
    """Each image's value once a region."""
    return [value for value, found in zip(values, regions, strict=True) for _ in found]


def regions_by_image(table: pa.Table, image_column: str) -> dict[str, list[Region]]:
    """Recorded regions of each image, in region order; the inverse of `region_columns`."""
    found: dict[str, list[Region]] = {}
    ordered = table.sort_by([(image_column, "ascending"), ("region_index", "ascending")])
    for row in ordered.select([image_column, *REGION_COLUMNS]).to_pylist():
        region = Region(row["kind"], tuple(row["box_xyxy_px"]), row["class_name"], row["score"])
        found.setdefault(row[image_column], []).append(region)
    return found
