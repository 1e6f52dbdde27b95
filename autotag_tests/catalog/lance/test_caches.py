"""Caches of the embedded store."""

from autotag.catalog.lance.caches import LEAST_INDEX_MB, index_cache_mb, shared_session


def test_the_index_cache_follows_what_the_catalog_may_take_and_is_never_tiny() -> None:
    assert index_cache_mb(8000) == 1000
    assert index_cache_mb(0) == LEAST_INDEX_MB


def test_handles_with_the_same_limit_share_their_caches() -> None:
    assert shared_session(64) is shared_session(64)
    assert shared_session(64) is not shared_session(65)
