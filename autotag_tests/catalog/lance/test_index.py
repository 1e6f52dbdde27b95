"""The vector index: when it is built, and that it loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.catalog.lance import nearest
from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.protocol import Sought
from autotag.domain.catalog_filters import CatalogFilter
from autotag_tests.catalog.made_entries import DIM, MODEL, any_vector, many_images

INDEXED, TAIL = 700, 20
"""Images in the index, and those that came after it was built; each has two objects."""


@pytest.fixture(scope="module")
def exact() -> InMemoryCatalog:
    catalog = InMemoryCatalog(MODEL, DIM)
    catalog.upsert(many_images(INDEXED + TAIL))
    return catalog


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanceCatalog]:
    catalog = LanceCatalog(UPath(tmp_path_factory.mktemp("catalog") / MODEL), MODEL, DIM, index_from=256)
    images = many_images(INDEXED + TAIL)
    catalog.upsert(images[:INDEXED])
    catalog.optimise()
    catalog.upsert(images[INDEXED:])
    yield catalog
    catalog.close()


def catalog_of(place: Path, index_from: int) -> LanceCatalog:
    return LanceCatalog(UPath(place / MODEL), MODEL, DIM, index_from)


class TestIndex:
    def test_the_index_holds_what_was_there_when_it_was_built(self, indexed: LanceCatalog) -> None:
        assert indexed.size().index_rows == INDEXED * 3

    @pytest.mark.parametrize("exact_rows", [0, nearest.EXACT_ROWS], ids=["index", "few are compared"])
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        k=st.sampled_from([1, 2, 10, 70, 300, 5000]),
        sought=st.sampled_from(["image", "object", "any"]),
        tags=st.sampled_from([(), ("rare",), ("even",), ("even", "rare")]),
        classes=st.sampled_from([(), ("dog",), ("dog", "bus")]),
        folder=st.sampled_from(["", "folder1", "nowhere"]),
        seed=st.integers(0, 10_000),
    )
    def test_as_many_are_found_as_pass_up_to_k(
        self,
        indexed: LanceCatalog,
        exact: InMemoryCatalog,
        monkeypatch: pytest.MonkeyPatch,
        exact_rows: int,
        k: int,
        sought: Sought,
        tags: tuple[str, ...],
        classes: tuple[str, ...],
        folder: str,
        seed: int,
    ) -> None:
        monkeypatch.setattr(nearest, "EXACT_ROWS", exact_rows)
        asked = CatalogFilter(folder=folder, tags=tags, classes=classes)
        found = indexed.search(any_vector(seed), k, sought, asked)
        right = exact.search(any_vector(seed), k, sought, asked)
        assert len(found) == len(right)
        assert len({(hit.image_id, hit.region_index) for hit in found}) == len(found)
        if right:
            assert found[0].score <= right[0].score + 1e-3

    def test_nearly_all_of_the_nearest_are_found(self, indexed: LanceCatalog, exact: InMemoryCatalog) -> None:
        shares = []
        for seed in range(90_000, 90_040):
            right = {(hit.image_id, hit.region_index) for hit in exact.search(any_vector(seed), 10)}
            found = {(hit.image_id, hit.region_index) for hit in indexed.search(any_vector(seed), 10)}
            shares.append(len(right & found) / 10)
        assert (
            np.mean(shares) >= 0.9
        )  # of vectors without any order, the hardest; the benchmark has likelier ones

    def test_what_came_after_the_index_is_found(self, indexed: LanceCatalog) -> None:
        last = many_images(INDEXED + TAIL)[-1]
        assert indexed.search(last.embedding, 1, "image")[0].image_id == last.image_id

    def test_a_small_catalog_gets_none(self, tmp_path: Path) -> None:
        catalog = catalog_of(tmp_path, index_from=301)
        catalog.upsert(many_images(100))
        catalog.optimise()
        assert catalog.size().index_rows == 0
        catalog.upsert([many_images(101)[-1]])
        catalog.optimise()
        assert catalog.size().index_rows == 303

    def test_few_new_rows_stay_outside_and_many_bring_a_new_index(self, tmp_path: Path) -> None:
        catalog = catalog_of(tmp_path, index_from=256)
        images = many_images(200)
        catalog.upsert(images[:90])
        catalog.optimise()
        catalog.upsert(images[90:100])
        catalog.optimise()
        assert catalog.size().index_rows == 270
        catalog.upsert(images[100:])
        catalog.optimise()
        assert catalog.size().index_rows == 600

    def test_many_small_upserts_are_put_together(self, tmp_path: Path) -> None:
        catalog = catalog_of(tmp_path, index_from=10_000)
        images = many_images(30)
        for image in images:
            catalog.upsert([image])
        pieces = tmp_path / MODEL / "regions.lance" / "_deletions"
        catalog.optimise()
        with catalog._regions.answering() as table:
            stats = table.stats()
        assert stats["fragment_stats"]["num_fragments"] == 1  # pyright: ignore
        assert not pieces.exists() or not list(pieces.iterdir())
        assert catalog.get([images[7].image_id]) == [images[7]]
