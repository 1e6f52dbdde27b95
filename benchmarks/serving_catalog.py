"""A catalog that real queries in words find something in: made vectors whose words are those of the settings' embedder."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from autotag.catalog.open import open_catalog
from autotag.domain.catalog_entries import image_id
from autotag.domain.vectors import normalise
from autotag.models.protocols import Embedder
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.search.background import Backgrounds
from autotag.search.everyday_words import EVERYDAY_WORDS
from autotag.settings import Settings
from benchmarks.catalog import REGIONS_AN_IMAGE, SEMANTIC_SHARE, SLACK, WORDS, K, MadeSpace, Vectors, fill

LOOKS = ("", "red ", "blue ", "old ", "wooden ", "small ", "huge ", "broken ")
BATCH = 500


class WordSpace(MadeSpace):
    """Regions that mix the meanings of real words, as the embedder's text side has them."""

    def __init__(self, embedder: Embedder) -> None:
        """`embedder` gives texts vectors with nothing in the visual part, as the starter's does."""
        super().__init__(embedder.dim)
        words = [look + word for look, word in product(LOOKS, EVERYDAY_WORDS)][:WORDS]
        self._words = normalise(embedder.embed_texts(words)[:, : int(embedder.dim * SEMANTIC_SHARE)])


@dataclass(frozen=True, slots=True)
class ServedCatalog:
    """What was put into the catalog.

    Attributes:
        vectors: float32 (images * REGIONS_AN_IMAGE, dim), unit L2 norm, image by image.
        embedder: the settings' one.
        index_rows: regions in the vector index.
        fill_s: seconds it took to fill and to index.
    """

    vectors: Vectors
    embedder: Embedder
    index_rows: int
    fill_s: float

    @property
    def images(self) -> int:
        """How many."""
        return len(self.vectors) // REGIONS_AN_IMAGE


def make_catalog(settings: Settings, plan: PipelinePlan, objects: int) -> ServedCatalog:
    """Fill the settings' catalog with images of three objects each, and index it."""
    embedder = loaded_embedder(plan.embedder)
    images = objects // (REGIONS_AN_IMAGE - 1)
    vectors = WordSpace(embedder).regions(images * REGIONS_AN_IMAGE)
    catalog = open_catalog(settings, plan.layout, plan.model_id, embedder.dim)
    took = fill(catalog, vectors, BATCH)
    size = catalog.size()
    catalog.close()
    fill_s = images / took["fill_images_per_s"] + took["optimise_s"]
    return ServedCatalog(vectors, embedder, size.index_rows, fill_s)


def recall(
    settings: Settings, plan: PipelinePlan, made: ServedCatalog, found: dict[str, Sequence[str]]
) -> float:
    """Share of the ten best images that were found; those as near as the tenth count.

    Args:
        settings: of the catalog.
        plan: of the settings.
        made: what is in the catalog, and nothing else is.
        found: ids of the images that the API gave, by query in words.
    """
    catalog = open_catalog(settings, plan.layout, plan.model_id, made.embedder.dim, create=False)
    direction = Backgrounds(catalog, made.embedder.embed_texts, settings.serve.false_alarms).direction
    places = {image_id(f"folder{number % 50}", f"{number:07d}.jpg"): number for number in range(made.images)}
    shares = []
    for query, ids in found.items():
        cosines = made.vectors @ direction(made.embedder.embed_texts([query])[0])
        best = cosines.reshape(-1, REGIONS_AN_IMAGE).max(axis=1)
        tenth = np.partition(best, -K)[-K]
        shares.append(sum(bool(best[places[each]] >= tenth - SLACK) for each in ids) / K)
    catalog.close()
    return float(np.mean(shares))
