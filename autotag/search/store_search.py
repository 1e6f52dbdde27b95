"""Words in, images of a retrieval store out."""

from dataclasses import asdict, dataclass
from typing import Any

from autotag.errors import UsageError
from autotag.models.protocols import Embedder
from autotag.reference.hits import NO_ROW
from autotag.search.store_index import StoreIndex


@dataclass(frozen=True, slots=True)
class StoreHit:
    """One image.

    Attributes:
        rank: 1 is best.
        score: cosine of the query and the whole image.
        media_id: SHA-256 of its bytes.
        file: absolute path or URI of a file with these bytes, when the manifest was made.
        width: in pixels, after EXIF orientation.
        height: in pixels.
    """

    rank: int
    score: float
    media_id: str
    file: str
    width: int
    height: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def search_store(index: StoreIndex, embedder: Embedder, query: str, k: int) -> list[StoreHit]:
    """The k images nearest to the words, best first, equal ones by row; fewer where the store has fewer.

    Raises:
        UsageError: an empty query, k below 1, or an embedder without a text side.
    """
    if not query.strip():
        raise UsageError("the query is empty; say what to look for")
    if k < 1:
        raise UsageError(f"-k is {k}; ask for at least 1")
    found = index.searcher.search(embedder.embed_texts([query.strip()]), min(k, index.searcher.rows))
    rows = found.rows[0][found.rows[0] != NO_ROW]
    return [
        StoreHit(rank + 1, float(score), row["media_id"], row["file"], row["width"], row["height"])
        for rank, (score, row) in enumerate(zip(found.similarity[0], index.described(rows), strict=False))
    ]
