"""A catalog's regions and images as hits of an answer."""

from dataclasses import replace

import numpy as np

from autotag.catalog.protocol import CatalogHit
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter, object_passes
from autotag.models.protocols import Vectors
from autotag.search.answers import SCORE_DIGITS, FoundRegion, SearchHit
from autotag.search.ranked_images import RankedImage


def ranked_hit(found: RankedImage[CatalogHit]) -> SearchHit:
    """An image by its best region."""
    best = found.best
    region = FoundRegion(best.region_index, best.box_xyxy_px, best.class_name, best.confidence, found.score)
    return SearchHit(*best.facts(), score=found.score, regions=(region,))


def unranked_hit(image: CatalogImage) -> SearchHit:
    """An image that nothing was compared with."""
    return SearchHit(*image.facts(), score=None)


def with_objects(
    hit: SearchHit, image: CatalogImage | None, vector: Vectors, least: float | None, where: CatalogFilter
) -> SearchHit:
    """The hit with all objects that match; as it was where the image has left the catalog meanwhile."""
    best = hit.regions[0]
    if image is None:
        return hit
    regions: list[FoundRegion] = [best]
    for each in image.objects:
        if each.region_index == best.region_index or not object_passes(image, each, where):
            continue
        # a store that keeps shorter floats found the best one: none may stand above it for that
        score = min(round(float(np.dot(each.embedding, vector)), SCORE_DIGITS), best.score)
        if least is None or score >= least:
            regions.append(
                FoundRegion(each.region_index, each.box_xyxy_px, each.class_name, each.confidence, score)
            )
    regions.sort(key=lambda each: (-each.score, each.region_index))
    return replace(hit, regions=tuple(regions))
