"""Backgrounds are made once, anew when the catalog has changed, and per kind of query and of region."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.models.fakes import DIM, FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.search import background
from autotag.search.background import Backgrounds
from autotag.search.everyday_words import EVERYDAY_WORDS
from autotag_tests.search.catalogs import catalog_of, image, random_images


class Watched:
    """A catalog's backgrounds, with counts of what they cost."""

    def __init__(self, catalog: InMemoryCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.catalog = catalog
        self.samples = 0
        self.embedded = 0
        draw = catalog.sample

        def sample(*args: object) -> Vectors:
            self.samples += 1
            return draw(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(catalog, "sample", sample)
        monkeypatch.setattr(background, "_LOOK_EVERY_S", 0.0)
        self.backgrounds = Backgrounds(catalog, self.embed, 0.05)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return FakeEmbedder().embed_texts(texts)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(catalog_of(random_images([1] * 100, seed=0)), monkeypatch)


def test_a_background_is_made_once_for_each_kind_of_search(watched: Watched) -> None:
    for _ in range(3):
        watched.backgrounds.cut("text", "any")
        watched.backgrounds.cut("text", "object")
        watched.backgrounds.cut("picture", "any")
        watched.backgrounds.direction(FakeEmbedder().embed_texts(["red"])[0])
    assert (watched.samples, watched.embedded) == (3, len(EVERYDAY_WORDS))


def test_it_is_made_anew_when_the_catalog_has_grown_by_a_tenth(watched: Watched) -> None:
    watched.backgrounds.cut("text", "any")
    watched.catalog.upsert(random_images([1] * 110, seed=0)[100:])
    watched.backgrounds.cut("text", "any")
    assert watched.samples == 1
    watched.catalog.upsert(random_images([1] * 120, seed=0)[110:])
    watched.backgrounds.cut("text", "any")
    assert watched.samples == 2


@pytest.mark.parametrize("slow", ["size", "sample"])
def test_while_the_store_is_looked_at_again_others_are_answered_from_what_was(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    before = watched.backgrounds.cut("text", "any")
    watched.catalog.upsert(random_images([1] * 150, seed=0)[100:])
    if slow == "sample":
        watched.backgrounds.regions_of(1, "any")  # the new size is known
    is_asked, may_answer = Event(), Event()
    ask = getattr(watched.catalog, slow)

    def answer_later(*given: object) -> object:
        is_asked.set()
        may_answer.wait(30)
        return ask(*given)

    monkeypatch.setattr(watched.catalog, slow, answer_later)
    with ThreadPoolExecutor(2) as threads:
        looking = threads.submit(watched.backgrounds.cut, "text", "any")
        assert is_asked.wait(10)
        monkeypatch.setattr(background, "_LOOK_EVERY_S", 0.0 if slow == "size" else 60.0)
        meanwhile = threads.submit(watched.backgrounds.cut, "text", "any", 200)
        try:
            assert meanwhile.result(5) == before
            assert threads.submit(watched.backgrounds.direction, np.eye(DIM, dtype=np.float32)[0]).result(5)[
                0
            ]
        finally:
            may_answer.set()
        assert looking.result(30) != before


def test_many_that_come_first_wait_for_one_that_looks(watched: Watched) -> None:
    with ThreadPoolExecutor(8) as threads:
        cuts = list(threads.map(lambda _: watched.backgrounds.cut("text", "any"), range(16)))
    assert len(set(cuts)) == 1
    assert (watched.samples, watched.embedded) == (1, len(EVERYDAY_WORDS))


def test_the_more_regions_are_looked_at_the_higher_is_the_cut(watched: Watched) -> None:
    cuts = [watched.backgrounds.cut("text", "any", regions) for regions in (1, 200, 10_000)]
    assert None not in cuts
    assert cuts == sorted(set(cuts))  # type: ignore[type-var]
    assert watched.backgrounds.cut("text", "any") == cuts[1]


def test_copies_of_a_few_images_make_no_higher_cut_than_the_few() -> None:
    few = random_images([0] * 12, seed=0)
    copies = [image(number, few[number % 12].embedding) for number in range(600)]
    cut_of_few, cut_of_copies = (
        Backgrounds(catalog_of(images), FakeEmbedder().embed_texts, 0.05).cut("text", "any")
        for images in (few, copies)
    )
    assert cut_of_copies == pytest.approx(cut_of_few, abs=0.01)


def test_images_have_as_many_regions_as_those_of_the_catalog_on_average(watched: Watched) -> None:
    told = [watched.backgrounds.regions_of(10, sought) for sought in ("image", "object", "any")]
    assert told == [10, 10, 20]
    assert watched.backgrounds.regions_of(0, "any") == 1
    assert Backgrounds(catalog_of([]), FakeEmbedder().embed_texts, 0.05).regions_of(5, "object") == 1


def test_a_direction_is_a_unit_vector_even_of_what_all_words_share(watched: Watched) -> None:
    mean = FakeEmbedder().embed_texts(EVERYDAY_WORDS).mean(axis=0)
    for words in (FakeEmbedder().embed_texts(["red"])[0], mean / np.linalg.norm(mean)):
        assert np.linalg.norm(watched.backgrounds.direction(words)) == pytest.approx(1, abs=1e-5)


def test_an_empty_catalog_has_none() -> None:
    backgrounds = Backgrounds(catalog_of([]), FakeEmbedder().embed_texts, 0.05)
    assert backgrounds.cut("text", "any") is None
    assert backgrounds.cut("picture", "object") is None
