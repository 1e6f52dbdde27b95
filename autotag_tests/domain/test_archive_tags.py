"""The archive as the vote sees it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags, group_starts


def archive() -> ArchiveTags:
    return ArchiveTags.of_lists(
        media=[0, 0, 1, 2, 3],
        is_object=[False, True, False, False, False],
        tags=[[3, 1, 3], [], [1], [1, 0]],
        voter=[7, 7, 2, 2],
    )


def test_a_tag_given_twice_to_an_image_counts_once() -> None:
    position, tag = archive().tags_of(np.array([0]))
    assert position.tolist() == [0, 0]
    assert tag.tolist() == [1, 3]


def test_tags_of_some_images_come_in_their_order() -> None:
    position, tag = archive().tags_of(np.array([3, 1, 0, 3]))
    assert position.tolist() == [0, 0, 2, 2, 3, 3]
    assert tag.tolist() == [0, 1, 1, 3, 0, 1]


def test_no_images_have_no_tags() -> None:
    position, tag = archive().tags_of(np.zeros(0, np.int64))
    assert len(position) == len(tag) == 0


def test_carriers_count_voters_and_not_copies() -> None:
    assert archive().carriers.tolist() == [1, 2, 0, 1]


def test_without_voters_each_image_votes_for_itself() -> None:
    assert ArchiveTags.of_lists([0, 1], [False, False], [[0], [0]]).carriers.tolist() == [2]


def test_an_empty_archive_is_allowed() -> None:
    empty = ArchiveTags.of_lists([], [], [])
    assert len(empty.carriers) == 0


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows with 1 kinds"):
        ArchiveTags.of_lists([0, 0], [False], [[1]])
    with pytest.raises(ValueError, match="there are 1"):
        ArchiveTags.of_lists([0, 1], [False, False], [[1]])


def test_group_starts_mark_each_new_combination() -> None:
    first, second = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 6, 6, 6])
    assert group_starts(first, second).tolist() == [0, 2, 3]
    assert group_starts(np.zeros(0)).tolist() == []


def test_voters_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images with 1 voters"):
        ArchiveTags.of_lists([0], [False], [[1], []], voter=[0])


def test_an_archive_without_tags_has_no_carriers_and_gives_none() -> None:
    bare = ArchiveTags.of_lists([0, 1], [False, True], [[], []])
    assert len(bare.carriers) == 0
    assert [len(each) for each in bare.tags_of(np.array([1, 0]))] == [0, 0]


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=6).flatmap(
        lambda tags: st.tuples(st.just(tags), st.lists(st.integers(0, len(tags) - 1), max_size=8))
    )
)
def test_tags_and_carriers_are_those_of_plain_lists(
    tags_and_wanted: tuple[list[list[int]], list[int]],
) -> None:
    tags, wanted = tags_and_wanted
    voters = [number // 2 for number in range(len(tags))]
    plain = ArchiveTags.of_lists(range(len(tags)), [False] * len(tags), tags, voters)
    position, tag = plain.tags_of(np.array(wanted, np.int64))
    assert list(zip(position.tolist(), tag.tolist(), strict=True)) == [
        (place, each) for place, image in enumerate(wanted) for each in sorted(set(tags[image]))
    ]
    carried = {(each, voter) for own, voter in zip(tags, voters, strict=True) for each in own}
    known = 1 + max((each for own in tags for each in own), default=-1)
    assert plain.carriers.tolist() == [
        sum(1 for each, _ in carried if each == number) for number in range(known)
    ]
