import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.review_order import doubt, look_alikes, review_order


def test_doubt_is_greatest_at_the_threshold_and_gone_at_its_width():
    scores, threshold = np.array([0.4, 0.5, 0.3, 0.9]), np.full(4, 0.4)
    assert doubt(scores, threshold, 0.2) == pytest.approx([1.0, 0.5, 0.5, 0.0])


def test_a_tag_without_a_threshold_is_half_in_doubt():
    assert doubt(np.array([0.4]), np.array([np.inf]), 0.2) == pytest.approx([0.5])
    with pytest.raises(ValueError, match="width"):
        doubt(np.zeros(1), np.zeros(1), 0.0)


def test_a_group_of_look_alikes_comes_before_one_image_of_the_same_doubt():
    order = review_order(np.full(4, 0.5), np.array([0, 1, 1, 1]), np.array([0, 1, 1, 1]))
    assert order.tolist() == [1, 0]


def test_the_second_group_of_a_theme_waits_for_other_themes():
    doubts = np.array([0.9, 0.8, 0.5])
    order = review_order(doubts, np.arange(3), np.array([7, 7, 8]))
    assert order.tolist() == [0, 2, 1]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.booleans()), max_size=30))
def test_every_group_comes_once(rows: list[tuple[float, int, bool]]):
    groups: list[int] = []
    for number, (_, _, joins) in enumerate(rows):
        groups.append(groups[-1] if joins and groups else number)
    order = review_order(
        np.array([each[0] for each in rows], float),
        np.array(groups, int),
        np.array([each[1] for each in rows], int),
    )
    assert sorted(order.tolist()) == sorted(set(groups))


def test_alike_neighbours_join_copies_and_chains_are_cut_at_their_first():
    angles = np.deg2rad([0, 10, 20, 90, 0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    copies = np.array([0, 1, 2, 3, 0])
    assert look_alikes(copies, vectors, np.cos(np.deg2rad(15))).tolist() == [0, 0, 2, 3, 0]


def test_no_images_are_no_groups():
    empty = np.zeros(0, int)
    assert review_order(np.zeros(0), empty, empty).tolist() == []
    assert look_alikes(empty, np.zeros((0, 4), np.float32), 0.9).tolist() == []


def test_copies_and_those_that_look_like_them_are_one_group_however_far_the_chain_goes():
    alike = np.tile(np.array([1, 0], np.float32), (6, 1))
    assert look_alikes(np.array([0, 1, 1, 3, 3, 5]), alike, 0.9).tolist() == [0] * 6


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 20.0, 90.0]), st.booleans(), st.integers(1, 3)), max_size=12),
    st.sampled_from([0.5, 30.0]),
)
def test_a_group_is_named_by_its_first_member_and_no_copies_are_apart(
    rows: list[tuple[float, bool, int]], apart_degrees: float
):
    copies: list[int] = []
    for number, (_, is_copy, of) in enumerate(rows):
        copies.append(copies[number - of] if is_copy and number >= of else number)
    angles = np.deg2rad([each[0] for each in rows])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = look_alikes(np.array(copies, int), vectors, float(np.cos(np.deg2rad(apart_degrees))))
    for group in set(groups.tolist()):
        assert np.flatnonzero(groups == group)[0] == group
    assert all(groups[number] == groups[first] for number, first in enumerate(copies))
