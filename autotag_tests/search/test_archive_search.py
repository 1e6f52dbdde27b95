import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.domain.vectors import normalise
from autotag.errors import UsageError
from autotag.models.fakes import COLOURS, FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.reference.hits import SearchHits
from autotag.reference.manifest import ReferenceManifest
from autotag.search.archive_search import ArchiveHit, search_archive
from autotag.search.reference_reader import Reference
from autotag_tests.reference.samples import ExactSearcher
from autotag_tests.search.mappings import mapping_of

MANIFEST = ReferenceManifest(
    model_id="m", version="v", rows=0, dim=16, factory="Flat", search_params={}, shards={}, faiss_version="", files={},
    trained_on_rows=0, created_at="", recall_at_10=None, reason="",
)  # fmt: skip


def reference_of(
    regions: Sequence[int], vectors: Vectors, searcher: ExactSearcher | None = None
) -> Reference:
    """An archive whose images have that many regions, with their vectors one after the other."""
    images = [(count - 1, 0, [f"t{image}", "all"]) for image, count in enumerate(regions)]
    with tempfile.TemporaryDirectory() as directory:  # what is mapped stays
        mapping = mapping_of(Path(directory), images)
    return Reference(MANIFEST, searcher or ExactSearcher(vectors), mapping, UPath("/nowhere"))  # type: ignore[arg-type]


def one_colour_an_image() -> Reference:
    vectors = np.eye(16, dtype=np.float32)[: len(COLOURS)]
    return reference_of([1] * len(COLOURS), vectors)


def test_words_find_the_images_they_name_best_first() -> None:
    colours = list(COLOURS)
    hits = search_archive(one_colour_an_image(), FakeEmbedder(), "  a red bus ", 3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].key == f"k{colours.index('red')}"
    assert hits[0].tags == (f"t{colours.index('red')}", "all")
    assert hits[0].shard == f"0000{colours.index('red') % 2}"
    assert hits[0].score > hits[1].score >= hits[2].score


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 20), st.integers(0, 9))
def test_each_image_is_there_once_with_its_best_region(regions: list[int], k: int, seed: int) -> None:
    vectors = normalise(np.random.default_rng(seed).normal(size=(sum(regions), 16)).astype(np.float32))
    hits = search_archive(reference_of(regions, vectors), FakeEmbedder(), "red", k)
    similarity = vectors @ FakeEmbedder().embed_texts(["red"])[0]
    best, first = [], 0
    for image, count in enumerate(regions):
        own = similarity[first : first + count]
        best.append((float(own.max()), f"k{image}", int(own.argmax())))
        first += count
    expected = sorted(best, reverse=True)[:k]
    assert [(hit.key, hit.box_xyxy_px[0], hit.kind == "object") for hit in hits] == [
        (key, index, index > 0) for _, key, index in expected
    ]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _, _ in expected], abs=1e-5)


def test_an_image_of_very_many_alike_regions_does_not_push_the_others_out() -> None:
    red = FakeEmbedder().embed_texts(["red"])
    vectors = np.concatenate([np.repeat(red, 500, axis=0), np.eye(16, dtype=np.float32)[1:4]])
    hits = search_archive(reference_of([500, 1, 1, 1], vectors), FakeEmbedder(), "red", 4)
    assert sorted(hit.key for hit in hits) == ["k0", "k1", "k2", "k3"]


def test_more_images_than_there_are_gives_all() -> None:
    assert len(search_archive(one_colour_an_image(), FakeEmbedder(), "red", 10**9)) == len(COLOURS)


class FewListsSearcher(ExactSearcher):
    """Like a compressed index that looks at 3 rows, however many are asked for."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__(vectors)
        self.searches = 0

    def search(self, queries: Vectors, k: int) -> SearchHits:
        self.searches += 1
        hits = super().search(queries, k)
        hits.rows[:, 3:], hits.similarity[:, 3:] = -1, -np.inf
        return hits


def test_an_index_that_finds_no_more_is_not_asked_again() -> None:
    vectors = normalise(np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32))
    searcher = FewListsSearcher(vectors)
    assert len(search_archive(reference_of([1] * 1000, vectors, searcher), FakeEmbedder(), "red", 10)) == 3
    assert searcher.searches == 1


@pytest.mark.parametrize(
    ("query", "k", "said"),
    [("", 5, "query is empty"), (" \n", 5, "query is empty"), ("red", 0, "-k is 0"), ("red", -3, "-k is -3")],
)
def test_a_search_for_nothing_is_refused(query: str, k: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        search_archive(one_colour_an_image(), FakeEmbedder(), query, k)


class ImageOnlyEmbedder(FakeEmbedder):
    @property
    def embeds_text(self) -> bool:
        return False

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        raise UsageError("image_only has no text side; choose another embedder")


def test_an_embedder_without_a_text_side_says_so() -> None:
    with pytest.raises(UsageError, match="image_only has no text side"):
        search_archive(one_colour_an_image(), ImageOnlyEmbedder(), "red", 3)


def test_a_hit_is_plain_values_for_json() -> None:
    hit = ArchiveHit(1, 0.5, "00000", "a", (0, 1, 2, 3), "image", ("x",))
    assert hit.as_dict() == {
        "rank": 1, "score": 0.5, "shard": "00000", "key": "a", "box_xyxy_px": (0, 1, 2, 3), "kind": "image", "tags": ("x",),
    }  # fmt: skip
