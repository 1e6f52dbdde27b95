"""The archive answers in the catalog's shape, and as `search_archive` ranks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.domain.catalog_filters import CatalogFilter
from autotag.domain.vectors import normalise
from autotag.errors import UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.search.answers import Wanted
from autotag.search.archive_search import search_archive
from autotag.search.query_vectors import Examples
from autotag.search.reference_search import ReferenceSearch
from autotag.search.text_vectors import TextVectors
from autotag_tests.search.test_archive_search import reference_of


def searched(regions: list[int], seed: int = 0) -> ReferenceSearch:
    vectors = normalise(np.random.default_rng(seed).normal(size=(sum(regions), 16)).astype(np.float32))
    return ReferenceSearch(reference_of(regions, vectors), TextVectors(FakeEmbedder().embed_texts, "m"))


REGIONS = st.lists(st.integers(1, 6), min_size=1, max_size=9)


@settings(max_examples=30)  # each writes a mapping
@given(REGIONS, st.integers(1, 12), st.integers(0, 9))
def test_words_find_what_the_archive_search_finds(regions: list[int], k: int, seed: int) -> None:
    search = searched(regions, seed)
    answer = search.text("red", Wanted(k))
    expected = search_archive(search.reference, FakeEmbedder(), "red", k)
    assert [hit.image_id for hit in answer.hits] == [f"{hit.shard}/{hit.key}" for hit in expected]
    assert [hit.tags for hit in answer.hits] == [hit.tags for hit in expected]
    assert [hit.regions[0].box_xyxy_px for hit in answer.hits] == [hit.box_xyxy_px for hit in expected]
    assert [(hit.width, hit.height) for hit in answer.hits] == [(9, 9)] * len(expected)


@settings(max_examples=30)  # each writes a mapping
@given(REGIONS, st.integers(1, 4), st.booleans())
def test_pages_cover_the_archive_once(regions: list[int], k: int, objects: bool) -> None:
    search = searched(regions)
    ask = search.objects if objects else search.text
    wanted, seen = Wanted(k), []
    for _ in range(len(regions) + 1):
        answer = ask("blue", wanted)
        assert not objects or all(hit.regions[0].region_index > 0 for hit in answer.hits)
        seen += [hit.image_id for hit in answer.hits]
        if not answer.next:
            break
        wanted = replace(wanted, after=answer.next)
    expected = [i for i, count in enumerate(regions) if count > 1 or not objects]
    assert sorted(seen) == sorted(f"0000{i % 2}/k{i}" for i in expected)


def test_pictures_find_themselves() -> None:
    search = searched([1, 2, 3])
    own = search.reference.searcher._vectors[4:5]  # type: ignore[attr-defined]
    best = search.similar(Examples(own), Wanted(1)).hits[0]
    assert (best.file, best.regions[0].region_index, best.score) == ("k2", 1, pytest.approx(1, abs=1e-5))


def test_a_least_score_holds() -> None:
    search = searched([1] * 30)
    everything = search.hybrid("red", Wanted(30))
    middle = everything.hits[10].score
    assert len(search.text("red", Wanted(30, min_score=middle)).hits) == 11
    assert search.text("red", Wanted(30, min_score=1.0)).abstained


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(where=CatalogFilter(tags=("a",))), "knows no filters"),
        (Wanted(0), "k is 0"),
        (Wanted(10**9), "k is 1000000000"),
        (Wanted(min_score=2), "min_score is 2"),
        (Wanted(after="?"), "no place in a ranked answer"),
    ],
)
def test_what_the_archive_cannot_answer_is_refused(wanted: Wanted, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        searched([1]).text("red", wanted)


def test_without_words_there_is_nothing_to_rank_by() -> None:
    with pytest.raises(UsageError, match="query is empty"):
        searched([1]).hybrid(None)
