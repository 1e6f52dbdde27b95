"""Words in, archive images out: nearest source regions, one result an image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autotag.errors import UsageError
from autotag.models.protocols import Embedder
from autotag.search.reference_reader import Reference

REGIONS_AN_IMAGE = 4
"""Neighbours asked for each image wanted: several regions of one image may stand side by side."""


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
    """The k archive images whose best region is nearest to the words.

    Raises:
        UsageError: an empty query, k below 1, or an embedder without a text side.
    """
    if not query.strip():
        raise UsageError("the query is empty; say what to look for")
    if k < 1:
        raise UsageError(f"-k is {k}; ask for at least 1")
    vector = embedder.embed_texts([query.strip()])
    wanted = k * REGIONS_AN_IMAGE
    while True:
        hits = reference.searcher.search(vector, wanted)
        pairs = [(int(row), float(s)) for row, s in zip(hits.rows[0], hits.similarity[0], strict=True) if row >= 0]
        found = _one_an_image(reference, pairs, k)
        if len(found) >= k or wanted >= reference.searcher.rows:
            return found
        wanted = min(wanted * 4, reference.searcher.rows)


def _one_an_image(reference: Reference, pairs: Sequence[tuple[int, float]], k: int) -> list[ArchiveHit]:
    rows = reference.mapping.take([row for row, _ in pairs]).to_pylist()
    found: dict[str, ArchiveHit] = {}
    for row, (_, score) in zip(rows, pairs, strict=True):
        if row["media_id"] in found or len(found) == k:
            continue
        found[row["media_id"]] = ArchiveHit(
            rank=len(found) + 1,
            score=score,
            shard=row["shard"],
            key=row["key"],
            box_xyxy_px=tuple(row["box_xyxy_px"]),
            kind=row["kind"],
            tags=tuple(row["tags"]),
        )
    return list(found.values())
