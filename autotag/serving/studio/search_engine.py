"""What answers the search page: models and a store of images."""

import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from autotag.catalog.protocol import CatalogSize
from autotag.domain.catalog_filters import CatalogFilter
from autotag.models.protocols import Embedder, Vectors
from autotag.search.answers import SearchAnswer, SearchHit, Wanted
from autotag.search.catalog_hits import unranked_hit
from autotag.search.catalog_search import CatalogSearch
from autotag.search.query_vectors import Examples
from autotag.search.reference_search import ReferenceSearch
from autotag.serving.studio.search_examples import ExamplePixels
from autotag.serving.studio.search_query import HITS_A_PAGE, Asked, Example

ANY_SCORE = -1.0
FACETS_S = 10.0
TAGS_OFFERED = 500
VECTORS_KEPT = 8 * HITS_A_PAGE
IMAGES_LOOKED_AT = 300
"""For the classes that are offered: a store counts tags, not classes."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What can be asked for, most frequent first, and how much there is.

    Attributes:
        tags: of the images.
        classes: of the objects of some of the images.
        size: of the catalog.
    """

    tags: tuple[str, ...]
    classes: tuple[str, ...]
    size: CatalogSize


class SearchEngine:
    """Answers questions over one store. Sessions of the page share it."""

    def __init__(
        self, search: CatalogSearch | ReferenceSearch, embedder: Embedder, pixels: ExamplePixels
    ) -> None:
        """Embeds nothing yet.

        Args:
            search: over the store, with texts of the same model.
            embedder: of the store's vectors; threads may share it.
            pixels: of examples.
        """
        self.search = search
        self.pixels = pixels
        self._embedder = embedder
        self._lock = Lock()
        self._vectors: OrderedDict[Example, Vectors] = OrderedDict()
        self._facets: tuple[float, Facets] | None = None

    def answer(self, asked: Asked, after: str = "", *, nearest: bool = False) -> SearchAnswer:
        """A page of what was found.

        Args:
            asked: the question.
            after: where the page begins; empty for the first.
            nearest: images that do not stand out from chance, too.

        Raises:
            UsageError: there is nothing to look for in the archive, or the model knows no words.
            AutotagError: an example cannot be read, or the store does not answer.
        """
        wanted = Wanted(HITS_A_PAGE, asked.where, ANY_SCORE if nearest and asked.ranks else None, after)
        leaning = asked.leaning
        if asked.ranks and (leaning.like or leaning.unlike):
            examples = Examples(like=self._of(leaning.like), unlike=self._of(leaning.unlike))
            return self.search.similar(examples, wanted, text=asked.words, sought=asked.find)
        if asked.words and asked.find == "object":
            return self.search.objects(asked.words, wanted)
        return self.search.hybrid(asked.words, wanted)

    def image(self, image_id: str) -> SearchHit | None:
        """An image of the catalog that nothing was compared with; None where it is not there.

        Raises:
            AutotagError: the store does not answer.
        """
        found = self.search.catalog.get([image_id])[0] if isinstance(self.search, CatalogSearch) else None
        return None if found is None else unranked_hit(found)

    def passing(self, where: CatalogFilter) -> int | None:
        """How many images pass a filter; None of the archive, which has none.

        Raises:
            AutotagError: the store does not answer.
        """
        return self.search.catalog.count(where) if isinstance(self.search, CatalogSearch) else None

    def vector(self, example: Example) -> Vectors:
        """float32 (dim,), unit L2 norm; from the catalog where it has one, else embedded once.

        Raises:
            AutotagError: its picture cannot be read.
        """
        name = replace(example, data=b"")  # of an upload its hash is enough: files would fill the memory
        with self._lock:
            known = self._vectors.get(name)
        if known is not None:
            return known
        made = self._made(example)
        with self._lock:
            self._vectors[name] = made
            while len(self._vectors) > VECTORS_KEPT:
                self._vectors.popitem(last=False)
        return made

    def facets(self) -> Facets | None:
        """What filters can offer; None for the archive, which has none. Looked at now and then.

        Raises:
            AutotagError: the store does not answer.
        """
        if isinstance(self.search, ReferenceSearch):
            return None
        known = self._facets
        if known is None or time.monotonic() - known[0] > FACETS_S:
            known = self._facets = (time.monotonic(), _facets(self.search))
        return known[1]

    def _of(self, examples: Sequence[Example]) -> Vectors:
        import numpy as np

        vectors = [self.vector(each) for each in examples]
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _made(self, example: Example) -> Vectors:
        is_known = example.place == "catalog" and example.region_index is not None
        if is_known and isinstance(self.search, CatalogSearch):
            return self.search.vector_of(example.image_id, example.region_index or 0)
        return self._embedder.embed_images([self.pixels.of(example)])[0]


def _facets(search: CatalogSearch) -> Facets:
    catalog = search.catalog
    tags = tuple(each.tag for each in catalog.tags(limit=TAGS_OFFERED))
    images = catalog.page(limit=IMAGES_LOOKED_AT)
    classes = Counter(each.class_name for image in images for each in image.objects if each.class_name)
    return Facets(tags, tuple(name for name, _ in classes.most_common()), catalog.size())
