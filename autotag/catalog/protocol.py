"""What a catalog has to do. The contract tests hold every store to it.

Images are upserted whole: what is stored of an image is what was given last, in one step that readers see as one. Filters apply before
ranking: a filter that k images pass gives k hits. Scores are cosines, which two stores round differently below 1e-3. Equal scores
come by image id, then region index.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from autotag.domain.catalog_entries import CatalogImage, ImageFacts
from autotag.domain.catalog_filters import CatalogFilter

Vectors = npt.NDArray[np.float32]
Sought = Literal["image", "object", "any"]
"""Regions a search ranks: whole images, objects, or both."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do beyond the protocol, for those who choose and those who explain.

    Attributes:
        name: "lancedb", "opensearch", "in_memory".
        exact_below: up to this many regions a search is exact; above, an index answers approximately.
        distributed: whether several machines may hold it.
        ranks_words: whether words can be matched to tags and class names beside the vectors.
        max_k: most hits of one search.
    """

    name: str
    exact_below: int
    distributed: bool
    ranks_words: bool
    max_k: int


@dataclass(frozen=True, slots=True)
class UpsertOutcome:
    """What an upsert did. `inserted + updated` = images given."""

    inserted: int
    updated: int
    objects: int


@dataclass(frozen=True, slots=True)
class CatalogHit(ImageFacts):
    """A region that was found, with what a page shows of its image.

    Attributes:
        score: cosine of query and region, in [-1, 1].
        region_index: 0 for the whole image.
        box_xyxy_px: x0, y0, x1, y1, the last two exclusive.
        class_name: empty for the whole image.
        confidence: the detector's, in [0, 1]; 1 for the whole image.
    """

    score: float
    region_index: int
    box_xyxy_px: tuple[int, int, int, int]
    class_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many images have a tag."""

    tag: str
    images: int


@dataclass(frozen=True, slots=True)
class CatalogSize:
    """How much there is. `index_rows` of the regions are in a vector index, the rest are searched one by one."""

    images: int
    objects: int
    index_rows: int


@runtime_checkable
class Catalog(Protocol):
    """A store of images and objects of one model. Safe to use from several threads.

    All methods raise `CatalogUnavailableError` where the store does not answer (a retry may help).
    """

    @property
    def capabilities(self) -> Capabilities:
        """Of this store."""
        ...

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        ...

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        """Store images whole, each id at most once among them; the objects an image no longer has leave with it.

        `added_at` of an image that is there already stays as it was.

        Raises:
            UsageError: an id twice, or a vector of another length.
        """
        ...

    def delete(self, image_ids: Collection[str]) -> int:
        """Take images out with their objects; ids that are not there are passed over. How many were there."""
        ...

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """The images, in order; None where there is none."""
        ...

    def ids_in(self, folder: str) -> dict[str, datetime]:
        """Ids of the images directly in a folder, named by its partition key, with their `added_at`."""
        ...

    def search(
        self, vector: Vectors, k: int, sought: Sought = "any", where: CatalogFilter | None = None
    ) -> list[CatalogHit]:
        """The k regions nearest to a vector, best first, of images that pass the filter.

        Args:
            vector: float32 (dim,), unit L2 norm.
            k: 1 to `capabilities.max_k`.
            sought: with "object" the filter's classes and confidence speak of the object that is found; with the
                others of any object of the image.
            where: None lets everything through.
        """
        ...

    def count(self, where: CatalogFilter | None = None) -> int:
        """Images that pass the filter."""
        ...

    def size(self) -> CatalogSize:
        """How much there is."""
        ...

    def tags(self, where: CatalogFilter | None = None, limit: int = 1000) -> list[TagCount]:
        """Tags of the images that pass, the most frequent first, then by name."""
        ...

    def page(
        self, after: str = "", limit: int = 100, where: CatalogFilter | None = None
    ) -> list[CatalogImage]:
        """Images that pass, by id, from the first id greater than `after`: the keyset of the last page's last image."""
        ...

    def sample(self, n: int, sought: Sought = "any") -> Vectors:
        """float32 (at most n, dim): vectors of regions, drawn evenly, the same ones while the catalog stays as it is."""
        ...

    def warm_up(self) -> None:
        """For a process that will search often: hold in memory what that pays for. Takes seconds; answers stay the same."""
        ...

    def optimise(self) -> None:
        """Bring new rows into the index, build it where it pays, tidy the store. Searches go on meanwhile."""
        ...

    def close(self) -> None:
        """Let go of connections; not to be used afterwards."""
        ...
