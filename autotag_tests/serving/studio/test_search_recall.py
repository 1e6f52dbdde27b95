from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some

from autotag.domain.vectors import normalise
from autotag.errors import CatalogUnavailableError, MissingInputError
from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.plan import PipelinePlan
from autotag.search.answers import Over
from autotag.search.reference_search import ReferenceSearch
from autotag.search.text_vectors import TextVectors
from autotag.serving.studio.search_engine import SearchEngine
from autotag.serving.studio.search_examples import ExamplePixels, uploaded
from autotag.serving.studio.search_query import Example, example_of, part_of
from autotag.serving.studio.search_recall import recalled
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.search.test_archive_search import reference_of
from autotag_tests.serving.studio.searches import FOLDER, Library, library


@pytest.fixture
def found(settings: Settings, folders: Folders) -> Library:
    st.cache_resource.clear()
    st.cache_data.clear()
    folders.make(FOLDER, {})
    return library(Workbench.of(settings), folders, {"red": 2})


@pytest.fixture
def archive(plan: PipelinePlan) -> SearchEngine:
    """Over two images of the archive, the second with an object."""
    vectors = normalise(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32))
    search = ReferenceSearch(reference_of([1, 2], vectors), TextVectors(FakeEmbedder().embed_texts, "m"))
    return SearchEngine(search, FakeEmbedder(), ExamplePixels(plan))


def only(over: Over, engine: SearchEngine) -> Callable[[Over], SearchEngine]:
    """Opens this one; of the other nothing has been made yet."""

    def opened(wanted: Over) -> SearchEngine:
        if wanted != over:
            raise MissingInputError("there is none")
        return engine

    return opened


def test_an_image_of_the_catalog_its_objects_and_parts_of_it_come_back_as_they_were(found: Library) -> None:
    hit = found.hit("red00.png")
    image = found.catalog.get([hit.image_id])[0]
    assert image is not None
    box = image.objects[0].box_xyxy_px
    whole, item = example_of(hit, "catalog"), part_of(hit, "catalog", box, 1)
    drawn = part_of(hit, "catalog", (1, 2, 13, 14))
    examples = [whole, item, drawn]
    assert recalled([each.name for each in examples], only("catalog", found.engine)) == examples


def test_an_archive_image_and_a_part_of_it_come_back_as_they_were(archive: SearchEngine) -> None:
    hit = archive.search.text("red").hits[0]
    whole = example_of(replace(hit, regions=()), "reference")
    part = part_of(hit, "reference", (1, 1, 5, 6))
    names = [whole.name, part.name]
    assert recalled(names, only("reference", archive)) == [whole, part]


def test_what_is_not_there_any_more_is_left_out(found: Library, archive: SearchEngine) -> None:
    gone = Example("catalog", "0" * 32, "f", "a.png", "0" * 64, None, 0)
    upload = uploaded("mine.png", b"x")
    here = example_of(found.hit("red01.png"), "catalog")
    named = [gone.name, upload.name, here.name, f"reference:{'f' * 64}:0-0-5-5"]
    assert recalled(named, only("catalog", found.engine)) == [here]
    assert recalled([named[-1]], only("reference", archive)) == []


def test_a_box_beyond_the_image_is_no_example(found: Library) -> None:
    identity = found.hit("red00.png").image_id
    for box in ("0-0-9-900000", "5-5-5-9", "9-9-1-1", "0-0-0-0"):
        assert recalled([f"catalog:{identity}:{box}"], only("catalog", found.engine)) == []


@given(
    some.text() | some.sampled_from(["catalog:../../etc/passwd:", "reference:00000/k:0-0-1-1", "catalog::"])
)
def test_whatever_an_address_says_opens_no_store_but_for_a_name(name: str) -> None:
    def never(_: Over) -> SearchEngine:
        raise AssertionError(name)

    assert recalled([name], never) == []


def test_a_store_that_does_not_answer_has_lost_nothing(found: Library) -> None:
    def gone(_: Over) -> SearchEngine:
        raise CatalogUnavailableError("the store does not answer")

    with pytest.raises(CatalogUnavailableError):
        recalled([example_of(found.hit("red00.png"), "catalog").name], gone)
