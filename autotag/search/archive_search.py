"""Words in, archive images out: nearest source regions, one result an image."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autotag.errors import UsageError
from autotag.models.protocols import Embedder
from autotag.reference.hits import NO_ROW
from autotag.search.reference_reader import Reference

REGIONS_AN_IMAGE = 4
"""Neighbours asked for each image wanted: several regions of one image may stand side by side."""

GROWTH = 4
"""Times as many are asked for where they were not enough: the second search is rarely needed, the third never."""


@dataclass(frozen=True, slots=True)
class ArchiveHit:
    """One archive image.

    Attributes:
        rank: 1 is best.
        score: cosine of the query and the image's best region.
        shard: its tar.
        key: its name there.
        box_xyxy_px: the region that was found.
        kind: "image" or "object".
        tags: of the image.
    """

    rank: int
    score: float
    shard: str
    key: str
    box_xyxy_px: tuple[int, int, int, int]
    kind: str
    tags: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def search_archive(reference: Reference, embedder: Embedder, query: str, k: int) -> list[ArchiveHit]:
    """The k archive images whose best region is nearest to the words, best first, equal ones by row.

    Fewer than k where the archive has fewer images, or where a compressed index looks at no more of them.
    Copies of one picture that differ in their bytes are several images.

    Raises:
        UsageError: an empty query, k below 1, or an embedder without a text side.
    """
    if not query.strip():
        raise UsageError("the query is empty; say what to look for")
    if k < 1:
        raise UsageError(f"-k is {k}; ask for at least 1")
    vector = embedder.embed_texts([query.strip()])
    everything = reference.searcher.rows
    wanted = min(k * REGIONS_AN_IMAGE, everything)
    while True:
        hits = reference.searcher.search(vector, wanted)
        rows = hits.rows[0][hits.rows[0] != NO_ROW]
        found = _one_an_image(reference, rows, hits.similarity[0], k)
        if len(found) == k or len(rows) < wanted or wanted == everything:
            return found
        wanted = min(wanted * GROWTH, everything)


def _one_an_image(
    reference: Reference, rows: npt.NDArray[np.int64], similarity: npt.NDArray[np.float32], k: int
) -> list[ArchiveHit]:
    image = reference.mapping.images_of(rows)
    best = np.sort(np.unique(image, return_index=True)[1])[:k]
    tags = reference.mapping.tags_of(image[best])
    regions = reference.mapping.described(rows[best]).to_pylist()
    return [
        ArchiveHit(
            rank=rank + 1,
            score=float(similarity[place]),
            shard=region["shard"],
            key=region["key"],
            box_xyxy_px=tuple(region["box_xyxy_px"]),
            kind=region["kind"],
            tags=tuple(tags[rank]),
        )
        for rank, (place, region) in enumerate(zip(best.tolist(), regions, strict=True))
    ]
