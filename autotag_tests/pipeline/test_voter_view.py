"""Searching voters beside the archive: exactly, without the images' own, and told in the order asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.counts import StepCounts
from autotag.domain.near_duplicates import near_duplicate_groups
from autotag.domain.vectors import normalise
from autotag.pipeline import voter_view
from autotag.pipeline.approved_voters import ApprovedVoters
from autotag.pipeline.voter_view import VoterView, search_voters
from autotag.reference.hits import NO_ROW, SearchHits
from autotag_tests.search.mappings import mapping_of

FAR = [0, 0xFFFF, 0xFFFF << 24, 0xFFFF << 40, 2**64 - 1]
"""Hashes that are no copies of each other."""


def voters(
    phash: list[int],
    image: list[int],
    tags: list[list[str]] | None = None,
    dim: int = 6,
    *,
    archived: Sequence[int] = (),
    rejected: list[list[str]] | None = None,
) -> ApprovedVoters:
    """The first ones have the bytes of the archive's images `archived`."""
    chance = np.random.default_rng(len(image))
    numbers = [*archived, *range(1000, 1000 + len(phash) - len(archived))]
    media = [f"{number:064x}" for number in numbers]
    index = [image[:place].count(each) for place, each in enumerate(image)]
    regions = pa.table(
        {
            "folder": [f"f{each}" for each in image],
            "file": [f"{each}.png" for each in image],
            "media_id": [media[each] for each in image],
            "region_index": pa.array(index, pa.int16()),
            "box_xyxy_px": pa.array([[0, 0, 9, 9]] * len(image), pa.list_(pa.int32(), 4)),
        }
    )
    return ApprovedVoters(
        weight=1.0,
        fingerprint="f",
        media_ids=media,
        tags=tags or [["leaf"]] * len(phash),
        rejected=rejected or [[]] * len(phash),
        phash=np.array(phash, np.uint64),
        image=np.array(image, np.int64),
        regions=regions,
        vectors=normalise(chance.normal(size=(len(image), dim)).astype(np.float32)),
        counts=StepCounts(),
    )


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.integers(0, 9),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_the_nearest_are_those_of_comparing_all_without_the_images_own(
    image: list[int], queries: int, k: int, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    found = voters(FAR, sorted(image))
    asked = normalise(chance.normal(size=(queries, 6)).astype(np.float32))
    own = np.array(
        [FAR[place] ^ 1 for place in chance.integers(0, 5, queries)], np.uint64
    )  # one bit off: copies
    hits = search_voters(found, asked, own, k)
    assert hits.rows.shape == hits.similarity.shape == (queries, k)
    for number in range(queries):
        groups = near_duplicate_groups(np.append(found.phash, own[number]))
        allowed = [row for row in range(len(found.image)) if groups[found.image[row]] != groups[-1]]
        expected = sorted(allowed, key=lambda row: -float(asked[number] @ found.vectors[row]))[:k]
        kept = hits.rows[number][hits.rows[number] != NO_ROW].tolist()
        assert kept == expected
        assert (hits.rows[number][len(kept) :] == NO_ROW).all()
        assert np.isneginf(hits.similarity[number][len(kept) :]).all()


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = voters(FAR, [0, 0, 1, 2, 3, 4])
    asked, own = found.vectors[::-1].copy(), np.full(6, 0xFF << 50, np.uint64)
    whole = search_voters(found, asked, own, 3)
    monkeypatch.setattr(voter_view, "SCORES_AT_ONCE", 7)
    parts = search_voters(found, asked, own, 3)
    assert (parts.rows == whole.rows).all()
    np.testing.assert_allclose(parts.similarity, whole.similarity, atol=1e-5)


def test_archive_and_voters_are_told_in_the_order_asked_for(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, [(1, FAR[0], ["a"]), (0, FAR[1], ["b"])])
    found = voters([FAR[2], FAR[3]], [0, 0, 1], [["leaf"], ["a", "twig"]])
    hits = SearchHits(np.array([[0.9, 0.8]], np.float32), np.array([[2, 1]]))
    of_voters = SearchHits(np.array([[0.7, 0.6]], np.float32), np.array([[2, 1]]))
    view = VoterView(mapping, hits, found, of_voters)
    told = view.described(view.rows[0]).to_pylist()
    assert [row["shard"].startswith("folder:") for row in told] == [False, False, True, True]
    assert [(row["shard"], row["key"], row["kind"]) for row in told[2:]] == [
        ("folder:f1", "1.png", "image"),
        ("folder:f0", "0.png", "object"),
    ]
    turned = view.described(view.rows[0][[3, 0, 2, 1]]).to_pylist()
    assert turned == [told[3], told[0], told[2], told[1]]


def test_carriers_count_archive_and_voters_whether_found_or_not(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, [(0, FAR[0], ["a"]), (0, FAR[1], ["rare", "a"])])
    found = voters([FAR[2], FAR[3], FAR[4]], [0, 1, 2], [["leaf", "rare"], ["leaf"], ["a"]])
    hits = SearchHits(np.array([[0.9]], np.float32), np.array([[0]]))
    of_voters = SearchHits(np.array([[0.7]], np.float32), np.array([[0]]))
    view = VoterView(mapping, hits, found, of_voters)
    carriers = dict(zip(view.tag_names, view.archive.carriers.tolist(), strict=True))
    assert carriers == {"a": 3, "leaf": 2, "rare": 2}


def carriers(view: VoterView) -> dict[str, int]:
    return dict(zip(view.tag_names, view.archive.carriers.tolist(), strict=True))


@pytest.mark.parametrize("of_archive", [0, 1], ids=["archive image found", "archive image not found"])
@pytest.mark.parametrize("of_voters", [0, 1], ids=["voter found", "voter not found"])
def test_a_voter_of_the_bytes_of_an_archive_image_is_one_carrier_with_it(
    tmp_path: Path, of_archive: int, of_voters: int
) -> None:
    mapping = mapping_of(tmp_path, [(0, phash, ["x"]) for phash in FAR[:4]])
    found = voters([FAR[0], FAR[4]], [0, 1], [["x"], ["leaf"]], archived=[0])
    # Of the archive image 2 is always there, so that the tag is known.
    hits = SearchHits(np.array([[0.9, 0.8]], np.float32), np.array([[of_archive, 2]]))
    view = VoterView(mapping, hits, found, SearchHits(np.array([[0.7]], np.float32), np.array([[of_voters]])))
    assert carriers(view)["x"] == 4
    found = voters([FAR[0], FAR[4]], [0, 1], [["leaf"], ["leaf"]], archived=[0], rejected=[["x"], []])
    view = VoterView(mapping, hits, found, SearchHits(np.array([[0.7]], np.float32), np.array([[of_voters]])))
    assert carriers(view)["x"] == 3


def test_a_tag_that_only_a_voter_brings_in_is_not_counted_twice_for_its_archive_image(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, [(0, FAR[0], ["x"]), (0, FAR[1], ["x"]), (0, FAR[2], ["other"])])
    found = voters([FAR[0]], [0], [["x"]], archived=[0])
    hits = SearchHits(np.array([[0.9]], np.float32), np.array([[2]]))
    view = VoterView(mapping, hits, found, SearchHits(np.array([[0.7]], np.float32), np.array([[0]])))
    assert carriers(view) == {"other": 1, "x": 2}
