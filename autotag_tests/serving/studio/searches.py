"""A folder of coloured pictures with a catalog in memory, and visits to the search page over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, image_id
from autotag.domain.identity import media_id
from autotag.domain.regions import RgbImage, clip_box, cut
from autotag.models.fakes import FakeDetector, FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.search.answers import SearchHit
from autotag.search.catalog_hits import unranked_hit
from autotag.search.catalog_search import CatalogSearch
from autotag.search.text_vectors import TextVectors
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_examples import ExamplePixels
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag.storage.images import ImageLimits, decode_image
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.search.catalogs import DAWN, MODEL

FOLDER = "trip"


@pytest.fixture
def bench(settings: Settings, folders: Folders) -> Workbench:
    """A page over the folder, which is empty yet."""
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.make(FOLDER, {})
    return Workbench.of(settings)


class CountingEmbedder(FakeEmbedder):
    """Remembers how many pictures it was given."""

    seen = 0

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """As the fake does."""
        self.seen += len(crops)
        return super().embed_images(crops)


@dataclass
class Library:
    """What is searched.

    Attributes:
        bench: over the folder.
        catalog: of its images.
        embedder: of the engine.
        engine: over the catalog.
    """

    bench: Workbench
    catalog: InMemoryCatalog
    embedder: CountingEmbedder
    engine: SearchEngine

    def hit(self, file: str) -> SearchHit:
        """An image of the folder as a hit that nothing was compared with."""
        found = self.catalog.get([image_id(FOLDER, file)])[0]
        assert found is not None
        return unranked_hit(found)


def library(bench: Workbench, folders: Folders, colours: dict[str, int]) -> Library:
    """So many pictures of each colour in `FOLDER`, called `red00.png` and so on, tagged with their colour, all in the catalog."""
    files = {
        f"{colour}{number:02d}.png": coloured(colour, number)
        for colour, count in colours.items()
        for number in range(count)
    }
    folders.make(FOLDER, files)
    embedder = CountingEmbedder()
    catalog = InMemoryCatalog(MODEL, embedder.dim)
    catalog.upsert([_entry(file, data) for file, data in files.items()])
    search = CatalogSearch(catalog, TextVectors(embedder.embed_texts, MODEL))
    return Library(bench, catalog, embedder, SearchEngine(search, embedder, ExamplePixels(bench.plan)))


def tab(config: str) -> None:
    """What Streamlit runs: the search view alone, or word of where a click has led."""
    from pathlib import Path

    import streamlit as st

    from autotag.serving.studio.search import search
    from autotag.serving.studio.workbench import Workbench
    from autotag.settings import Settings

    search(Workbench.of(Settings.load(Path(config))), {})
    st.session_state["drawn"] = True


def visit(config: Path, **query: str | list[str]) -> AppTest:
    """Another tab."""
    page = AppTest.from_function(tab, args=(str(config),), default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return page


def _entry(file: str, data: bytes) -> CatalogImage:
    pixels = decode_image(data, ImageLimits()).pixels
    regions = FakeDetector().detect([pixels])[0]
    height, width = pixels.shape[:2]
    vectors = FakeEmbedder().embed_images([pixels, *(cut(pixels, each) for each in regions)])
    objects = tuple(
        CatalogObject(
            number, clip_box(each.box_xyxy_px, width, height), each.class_name, each.score, vectors[number]
        )
        for number, each in enumerate(regions, 1)
    )
    tags = (file[:-6],)
    place = image_id(FOLDER, file)
    return CatalogImage(
        place, media_id(data), FOLDER, file, width, height, tags, None, DAWN, vectors[0], objects
    )
