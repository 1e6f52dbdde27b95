from pathlib import Path

import numpy as np
import pytest

from autotag.errors import CorruptIndexError, MissingInputError, UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.search.store_index import StoreIndex, StoreRelease, open_store_index
from autotag.search.store_search import search_store
from autotag.storage.tables import read_table
from autotag_tests.pipeline.retrieval.stores import TestStore


@pytest.fixture
def store(tmp_path: Path, settings_file: Path) -> TestStore:
    made = TestStore(tmp_path, settings_file)
    made.colours()
    made.manifest()
    made.embed()
    made.index()
    return made


def opened(store: TestStore) -> StoreIndex:
    return open_store_index(store.layout, store.plan.model_id, store.here / "cache" / "stores")


def test_words_find_images_best_first(store: TestStore) -> None:
    hits = search_store(opened(store), FakeEmbedder(), "something red", 2)
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits[0].file == str(store.images / "red.png")
    assert hits[0].score > hits[1].score
    assert (hits[0].width, hits[0].height) == (64, 64)


def test_scores_are_cosines_of_the_stored_vectors(store: TestStore) -> None:
    (part,) = store.parts()
    table = read_table(store.layout.root / str(part.relative_to(str(store.layout.root))))
    vectors = np.array(table["embedding"].to_pylist(), np.float32)
    query = FakeEmbedder().embed_texts(["blue"])[0]
    wanted = dict(zip(table["media_id"].to_pylist(), vectors @ query, strict=True))
    for hit in search_store(opened(store), FakeEmbedder(), "blue", 3):
        assert hit.score == pytest.approx(wanted[hit.media_id], abs=2e-3)


def test_more_than_there_is_gives_all_there_is(store: TestStore) -> None:
    assert len(search_store(opened(store), FakeEmbedder(), "red", 10**9)) == 3


@pytest.mark.parametrize(("query", "k"), [("", 1), ("  ", 1), ("red", 0), ("red", -3)])
def test_a_search_for_nothing_is_wrong_use(store: TestStore, query: str, k: int) -> None:
    with pytest.raises(UsageError):
        search_store(opened(store), FakeEmbedder(), query, k)


def test_rows_are_described_in_the_order_asked_for_also_twice(store: TestStore) -> None:
    index = opened(store)
    one_by_one = [index.described(np.array([row]))[0] for row in (2, 0, 2)]
    assert index.described(np.array([2, 0, 2])) == one_by_one
    assert len({row["media_id"] for row in one_by_one}) == 2


def test_a_store_of_another_model_is_told_with_the_model_it_has(store: TestStore) -> None:
    other = TestStore(store.here, store.settings_file, "turned_fake")
    with pytest.raises(MissingInputError) as told:
        opened(other)
    assert store.plan.model_id in str(told.value)
    assert "autotag build-index --store" in str(told.value)


@pytest.mark.parametrize("name", ["index.faiss", "mapping.parquet", "manifest.json"])
def test_a_changed_file_is_not_opened(store: TestStore, name: str) -> None:
    (directory,) = Path(str(store.layout.index)).glob("*/*/")
    data = (directory / name).read_bytes()
    (directory / name).write_bytes(b"{" + data[1:-9] + b"_" * 9)
    with pytest.raises(CorruptIndexError, match="build-index"):
        opened(store)


def test_a_release_says_of_itself_what_was_written(store: TestStore) -> None:
    (directory,) = store.layout.index.glob("*/*/")
    release = StoreRelease.read(directory)
    assert release.to_json() == (directory / "manifest.json").read_text()
    assert (release.rows, release.dim, release.model_id) == (3, 16, store.plan.model_id)
