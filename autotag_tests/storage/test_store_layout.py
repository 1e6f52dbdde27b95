from upath import UPath

from autotag.storage.store_layout import StoreLayout


def test_vectors_lie_by_model_and_day() -> None:
    store = StoreLayout(UPath("/s"))
    part = store.embedding_part("whole+x", "2026-01-31", "u1")
    assert str(part) == "/s/embeddings/model_version=whole+x/dt=2026-01-31/part-u1.parquet"
    assert part.is_relative_to(store.embeddings("whole+x"))


def test_rejects_lie_where_no_reader_of_vectors_looks() -> None:
    store = StoreLayout(UPath("/s"))
    assert not store.embedding_rejects("m").is_relative_to(store.root / "embeddings")
