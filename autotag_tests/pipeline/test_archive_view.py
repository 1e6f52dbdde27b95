import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.near_duplicates import near_duplicate_groups
from autotag.domain.vote_records import NO_ROW, Neighbours
from autotag.domain.vote_rules import VoteRules
from autotag.domain.votes import vote
from autotag.pipeline.archive_view import ArchiveView
from autotag_tests.search.mappings import Image, mapping_of

HASHES = [0, 0b11, 0b111111, 0xFFFF << 40, 2**64 - 1]
"""Of which the first three are copies of each other, the first and the third through the second."""

archives = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(HASHES),
        st.lists(st.sampled_from(["bird", "sea", "two words", "été"]), unique=True, max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def whole_archive(images: list[Image], names: list[str], hit_rows: np.ndarray) -> ArchiveTags:
    """All rows and images, the copies among those that were hit joined to one voter each."""
    media = np.repeat(np.arange(len(images)), [objects + 1 for objects, _, _ in images])
    is_object = [index > 0 for objects, _, _ in images for index in range(objects + 1)]
    seen = np.unique(media[hit_rows[hit_rows != NO_ROW]])
    voter = np.arange(len(images))
    voter[seen] = seen[near_duplicate_groups(np.array([images[i][1] for i in seen], np.uint64))]
    tags = [[names.index(tag) for tag in own] for _, _, own in images]
    return ArchiveTags.of_lists(media, is_object, tags, voter)


def assert_the_vote_is_that_of_the_whole_archive(
    images: list[Image], rows: np.ndarray, similarity: np.ndarray, rules: VoteRules
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        view = ArchiveView(mapping_of(Path(directory), images), rows)
    names = list(dict.fromkeys(tag for _, _, tags in images for tag in tags))
    whole = whole_archive(images, names, rows)
    here = np.array([names.index(name) for name in view.tag_names], np.int64)
    assert view.archive.carriers.tolist() == np.append(whole.carriers, 0)[here].tolist()
    image, is_object = np.arange(len(rows)) // 2, np.arange(len(rows)) % 2 > 0
    count = (len(rows) + 1) // 2
    expected = vote(Neighbours(image, is_object, similarity, rows, count), whole, rules)
    found = vote(Neighbours(image, is_object, similarity, view.places(rows), count), view.archive, rules)
    assert found.reasons == expected.reasons
    assert here[found.tags.tag].tolist() == expected.tags.tag.tolist()
    for name in ("image", "score", "votes"):
        assert np.array_equal(getattr(found.tags, name), getattr(expected.tags, name))
    assert view.rows[found.evidence.row].tolist() == expected.evidence.row.tolist()
    for name in ("given", "region", "similarity", "share"):
        assert np.array_equal(getattr(found.evidence, name), getattr(expected.evidence, name))


@given(archives, st.integers(1, 6), st.integers(0, 99), st.integers(1, 4))
def test_what_was_found_votes_as_the_whole_archive_would(
    images: list[Image], width: int, seed: int, min_votes: int
) -> None:
    chance = np.random.default_rng(seed)
    held = sum(objects + 1 for objects, _, _ in images)
    rows = np.stack([np.append(chance.permutation(held), [NO_ROW] * width)[:width] for _ in range(5)])
    similarity = np.where(rows == NO_ROW, -np.inf, chance.integers(1, 5, rows.shape) / 5)
    rules = VoteRules(k=4, min_votes=min_votes, min_score=0.1, rare_share=0.5)
    assert_the_vote_is_that_of_the_whole_archive(images, rows, similarity, rules)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_archive_gives_what_it_gave_whole(seed: int) -> None:
    chance = np.random.default_rng(seed)
    names = [f"tag {number}" for number in range(200)]
    images: list[Image] = [
        (
            int(chance.integers(0, 4)),
            int(chance.integers(0, 300)) << int(chance.integers(0, 50)),
            list(chance.choice(names, chance.integers(0, 6), replace=False, p=np.arange(1, 201) / 20100)),
        )
        for _ in range(3000)
    ]
    held = sum(objects + 1 for objects, _, _ in images)
    rows = np.stack([chance.choice(held, 40, replace=False) for _ in range(60)])
    similarity = np.round(chance.uniform(0.1, 1, rows.shape), 2)
    rules = VoteRules(k=10, min_votes=3, min_score=0.05, rare_share=0.25)
    assert_the_vote_is_that_of_the_whole_archive(images, rows, similarity, rules)


def test_images_that_were_not_found_can_be_had_too(tmp_path: Path) -> None:
    images: list[Image] = [(0, 0, ["a"]), (1, 0xFFFF << 40, ["b"]), (2, 0b1, ["a", "c"]), (0, 0b1, ["a"])]
    view = ArchiveView(mapping_of(tmp_path, images), np.array([[2, NO_ROW]]), np.array([2, 0]))
    assert (view.rows.tolist(), view.images.tolist(), view.tag_names) == ([2], [0, 1, 2], ["a", "b", "c"])
    assert view.archive.voter.tolist() == [0, 1, 0]
    assert view.archive.media.tolist() == [1]
    assert view.archive.carriers.tolist() == [2, 1, 1]  # a: the copies together, and the image not seen


def test_where_nothing_was_found_there_is_nothing(tmp_path: Path) -> None:
    view = ArchiveView(mapping_of(tmp_path, [(1, 0, ["a"])]), np.full((3, 2), NO_ROW))
    assert (view.rows.tolist(), view.images.tolist(), view.tag_names) == ([], [], [])
    assert view.places(np.full((3, 2), NO_ROW)).tolist() == [[NO_ROW, NO_ROW]] * 3
    assert len(view.archive.carriers) == 0
