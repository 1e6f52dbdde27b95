"""The archive as the vote sees it."""

import numpy as np
import pytest

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
