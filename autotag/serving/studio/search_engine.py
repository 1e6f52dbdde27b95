"""What answers the search page: models and a store of images, opened beside the page and kept."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

import streamlit as st

from autotag.catalog.protocol import CatalogSize
from autotag.models.protocols import Embedder, Vectors
from autotag.search.answers import Over, SearchAnswer, Wanted
from autotag.search.catalog_search import CatalogSearch
from autotag.search.query_vectors import Examples
from autotag.search.reference_search import ReferenceSearch
from autotag.search.text_vectors import TextVectors
from autotag.serving.studio.search_examples import ExamplePixels
from autotag.serving.studio.search_query import HITS_A_PAGE, Asked, Example
from autotag.serving.studio.workbench import Workbench

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan
    from autotag.settings import Settings

ANY_SCORE = -1.0
LOOK_S = 0.25
FACETS_S = 10.0
TAGS_OFFERED = 500
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
    """Answers questions over one store. Sessions of the page share it, and its model is asked by one of them at a time."""

    def __init__(
        self, search: CatalogSearch | ReferenceSearch, embedder: Embedder, pixels: ExamplePixels
    ) -> None:
        """Embeds nothing yet.

        Args:
            search: over the store, with texts of the same model.
            embedder: of the store's vectors.
            pixels: of examples.
        """
        self.search = search
        self.pixels = pixels
        self._embedder = embedder
        self._lock = Lock()
        self._vectors: dict[Example, Vectors] = {}
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

    def vector(self, example: Example) -> Vectors:
        """float32 (dim,), unit L2 norm; from the catalog where it has one, else embedded once.

        Raises:
            AutotagError: its picture cannot be read.
        """
        known = self._vectors.get(example)
        if known is None:
            known = self._vectors[example] = self._made(example)
            while len(self._vectors) > 8 * HITS_A_PAGE:
                self._vectors.pop(next(iter(self._vectors)), None)
        return known

    def facets(self) -> Facets | None:
        """What filters can offer; None for the archive, which has none. Looked at now and then."""
        if isinstance(self.search, ReferenceSearch):
            return None
        if self._facets is None or time.monotonic() - self._facets[0] > FACETS_S:
            self._facets = (time.monotonic(), _facets(self.search))
        return self._facets[1]

    def _of(self, examples: Sequence[Example]) -> Vectors:
        import numpy as np

        vectors = [self.vector(each) for each in examples]
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _made(self, example: Example) -> Vectors:
        is_known = example.place == "catalog" and example.region_index is not None
        if is_known and isinstance(self.search, CatalogSearch):
            return self.search.vector_of(example.image_id, example.region_index or 0)
        with self._lock:
            return self._embedder.embed_images([self.pixels.of(example)])[0]


def open_engine(settings: "Settings", plan: "PipelinePlan", over: Over) -> SearchEngine:
    """Load the model and open the store; seconds the first time.

    Raises:
        MissingInputError: there is no catalog, or no released index, yet.
        AutotagError: weights are missing, or the store is of another model or does not answer.
    """
    from autotag.pipeline.plan import loaded_embedder

    embedder = loaded_embedder(plan.embedder)
    texts = TextVectors(embedder.embed_texts, plan.model_id)
    pixels = ExamplePixels(plan)
    if over == "reference":
        from autotag.search.reference_reader import open_reference

        return SearchEngine(
            ReferenceSearch(open_reference(plan.layout, plan.model_id), texts), embedder, pixels
        )
    from autotag.catalog.open import open_catalog

    catalog = open_catalog(settings, plan.layout, plan.model_id, embedder.dim, create=False)
    search = CatalogSearch(catalog, texts, false_alarms=settings.serve.false_alarms)
    if embedder.embeds_text:
        search.warm_up()
    return SearchEngine(search, embedder, pixels)


def ready_engine(bench: Workbench, over: Over) -> SearchEngine | None:
    """The engine where it is open by now; begins to open it where nobody has yet."""
    opening = _opening(*_names(bench), over, bench)
    return opening.result() if opening.done() and opening.exception() is None else None


def search_engine(bench: Workbench, over: Over) -> SearchEngine:
    """The engine, waited for. A page that is left meanwhile is let go.

    Raises:
        AutotagError: see `open_engine`; the next call tries again.
    """
    opening = _opening(*_names(bench), over, bench)
    told = st.empty()
    while not opening.done():
        # Streamlit ends a run that nobody waits for any more where it draws something.
        told.caption("Opening the catalog and its model: once, some seconds ...")
        wait([opening], timeout=LOOK_S)
    told.empty()
    if opening.exception() is not None:
        forget_engine(bench, over)
    return opening.result()


def forget_engine(bench: Workbench, over: Over) -> None:
    """Have the store opened anew by whoever asks next."""
    _opening.clear(*_names(bench), over)


def _names(bench: Workbench) -> tuple[str, str]:
    """All of the settings that an engine is made of."""
    plan, settings = bench.plan, bench.settings
    return repr((plan.embedder, plan.model_id)), repr((plan.layout, settings.catalog, settings.serve))


@st.cache_resource(max_entries=4, show_spinner=False)
def _opening(model: str, store: str, over: Over, _bench: Workbench) -> "Future[SearchEngine]":
    del model, store
    opening: Future[SearchEngine] = Future()
    words = (opening, _bench.settings, _bench.plan, over)
    Thread(target=_open, args=words, name=f"open-{over}", daemon=True).start()
    return opening


def _open(opening: "Future[SearchEngine]", settings: "Settings", plan: "PipelinePlan", over: Over) -> None:
    try:
        opening.set_result(open_engine(settings, plan, over))
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
        opening.set_exception(error)


def _facets(search: CatalogSearch) -> Facets:
    from collections import Counter

    catalog = search.catalog
    tags = tuple(each.tag for each in catalog.tags(limit=TAGS_OFFERED))
    images = catalog.page(limit=IMAGES_LOOKED_AT)
    classes = Counter(each.class_name for image in images for each in image.objects if each.class_name)
    return Facets(tags, tuple(name for name, _ in classes.most_common()), catalog.size())
