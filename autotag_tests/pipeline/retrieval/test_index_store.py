import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from autotag.domain.store_schemas import STORE_MAPPING
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError
from autotag.search.store_index import StoreIndex, open_store_index
from autotag.storage.tables import Stamp, read_table, write_table
from autotag_tests.pipeline.retrieval.stores import TestStore


def opened(store: TestStore) -> StoreIndex:
    return open_store_index(store.layout, store.plan.model_id, store.here / "cache" / "stores")


def vector_of(index: StoreIndex, media_id: str) -> np.ndarray:
    rows = np.arange(index.searcher.rows)
    (row,) = [
        row for row, found in zip(rows, index.described(rows), strict=True) if found["media_id"] == media_id
    ]
    import faiss

    return faiss.read_index(str(index.mapping.with_name("index.faiss"))).reconstruct(int(row))


def embedded(store: TestStore, count: int = 5) -> TestStore:
    store.some(count)
    store.manifest()
    store.embed()
    return store


def later_vector(store: TestStore, media_id: str, number: int, when: datetime, day: str) -> None:
    """Another vector of an image: 1 in this place, 0 elsewhere."""
    table = read_table(UPath(store.parts()[0]))
    row = table.filter(pa.compute.field("media_id") == media_id)  # type: ignore[attr-defined]
    vector = np.zeros(16, np.float16)
    vector[number] = 1
    values = {"embedded_at": [when], "embedding": [vector.tolist()]}
    for name, value in values.items():
        place = row.schema.get_field_index(name)
        row = row.set_column(place, row.schema.field(name), pa.array(value, row.schema.field(name).type))
    path = store.layout.embedding_part(store.plan.model_id, day, f"late{number}")
    write_table(path, row, row.schema, Stamp("store_embeddings", store.plan.model_id))


def test_the_index_holds_every_vector_beside_its_image(store: TestStore) -> None:
    released = embedded(store).index()
    assert (released.counts.made, released.release.rows, released.release.without_vector) == (5, 5, 0)
    mapping = read_table(released.directory / "mapping.parquet")
    assert mapping.schema.remove_metadata().equals(STORE_MAPPING)
    assert sorted(mapping["media_id"].to_pylist()) == store.vectors()
    index, table = opened(store), read_table(UPath(store.parts()[0]))
    for media, vector in zip(
        table["media_id"].to_pylist(), vectors_from_arrow(table["embedding"]), strict=True
    ):
        assert np.allclose(vector_of(index, media), vector)


def test_it_is_a_flat_index_of_inner_products(store: TestStore) -> None:
    import faiss

    directory = embedded(store).index().directory
    index = faiss.read_index(str(directory / "index.faiss"))
    assert type(index) is faiss.IndexFlatIP


def test_the_latest_vector_of_an_image_counts(store: TestStore) -> None:
    embedded(store)
    media = store.vectors()[0]
    later_vector(store, media, 3, datetime(2099, 1, 2, tzinfo=UTC), "2099-01-02")
    later_vector(store, media, 4, datetime(2099, 1, 1, tzinfo=UTC), "2099-01-03")
    counts = store.index().counts
    assert (counts.taken, counts.made, counts.duplicates) == (7, 5, 2)
    assert vector_of(opened(store), media)[3] == 1


def test_images_that_left_the_manifest_leave_the_index(store: TestStore) -> None:
    embedded(store)
    (store.images / "p0000.png").unlink()
    store.manifest()
    released = store.index()
    assert (released.release.rows, released.counts.ignored) == (4, 1)


def test_images_without_a_vector_are_counted(store: TestStore) -> None:
    embedded(store)
    store.some(2, first=20)
    store.manifest()
    assert store.index().release.without_vector == 2


def test_the_same_vectors_release_nothing_new(store: TestStore) -> None:
    first = embedded(store).index()
    again = store.index()
    assert (again.release, again.counts.resumed) == (first.release, 1)
    store.some(1, first=30)
    store.manifest()
    store.embed()
    assert store.index().release.version != first.release.version


def test_a_damaged_release_is_built_again(store: TestStore) -> None:
    released = embedded(store).index()
    (Path(str(released.directory)) / "index.faiss").write_bytes(b"damaged")
    shutil.rmtree(store.here / "cache" / "stores", ignore_errors=True)
    assert store.index().counts.resumed == 0
    assert opened(store).searcher.rows == 5


def test_without_vectors_it_says_what_to_run(store: TestStore) -> None:
    store.some(1)
    store.manifest()
    with pytest.raises(MissingInputError, match="autotag embed --store"):
        store.index()


def test_of_a_store_with_nothing_but_strangers_nothing_is_released(store: TestStore) -> None:
    embedded(store, 1)
    (store.images / "p0000.png").unlink()
    store.some(1, first=9)
    store.manifest()
    with pytest.raises(MissingInputError, match="no image"):
        store.index()
