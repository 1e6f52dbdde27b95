"""A store that is no directory of this machine, of images that are none either."""

from collections.abc import Iterator

import fsspec
import pytest
from upath import UPath

from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.retrieval.embed_store import embed_store
from autotag.pipeline.retrieval.index_store import StoreIndexOptions, index_store
from autotag.pipeline.retrieval.look_at_files import LookAtFilesWorker
from autotag.pipeline.retrieval.make_manifest import make_manifest
from autotag.search.store_index import open_store_index
from autotag.search.store_search import search_store
from autotag.storage.store_layout import StoreLayout
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.retrieval.stores import TestStore


@pytest.fixture
def root() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    files.pipe("/shop/images/a/red.png", coloured("red", 1))
    files.pipe("/shop/images/blue.png", coloured("blue", 2))
    files.pipe("/shop/images/bad.jpg", b"no picture")
    yield "memory://shop"
    files.rm("/shop", recursive=True)


def test_every_step_works_there_twice(root: str, store: TestStore) -> None:
    layout, plan = StoreLayout(UPath(f"{root}/store")), store.plan
    cache = store.here / "cache"
    for again in (False, True):
        listed = make_manifest(LookAtFilesWorker(layout, plan.limits, 2, 3), [UPath(f"{root}/images")])
        embedded = embed_store(plan, store.settings, layout)
        indexed = index_store(layout, StoreIndexOptions(plan.model_id, 64 << 20, 1, 2, cache)).counts
        assert (listed.made, listed.rejected, embedded.made, indexed.made) == (2, 1, 2, 2)
        assert {listed.resumed, embedded.resumed, indexed.resumed} == {int(again)}
    hits = search_store(open_store_index(layout, plan.model_id, cache), FakeEmbedder(), "red", 1)
    assert hits[0].file == "memory://shop/images/a/red.png"
