from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autotag.pipeline.contact_sheet import evenly_spread, spread_over, thumbnail


@given(st.lists(st.booleans(), max_size=60), st.integers(-1, 70))
def test_a_choice_is_ascending_without_repetition_and_as_large_as_it_may_be(is_tagged, limit):
    chosen = spread_over(is_tagged, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == max(0, min(limit, len(is_tagged)))
    assert all(0 <= index < len(is_tagged) for index in chosen)


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(2, 70))
def test_tagged_and_untagged_images_are_both_shown_where_both_exist(is_tagged, limit):
    assert {is_tagged[index] for index in spread_over(is_tagged, limit)} == set(is_tagged)


@given(st.integers(1, 500), st.integers(1, 60))
def test_gaps_are_equal_to_within_one_and_the_ends_are_left_out_alike(length, limit):
    chosen = evenly_spread(length, limit)
    gaps = [after - before for before, after in pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert abs(chosen[0] - (length - 1 - chosen[-1])) <= 1


def test_the_kinds_are_chosen_in_proportion():
    chosen = spread_over([index % 4 > 0 for index in range(100)], 12)
    assert sum(index % 4 == 0 for index in chosen) == 3


@given(st.integers(1, 900), st.integers(1, 900), st.data())
def test_a_shrunk_box_stays_inside_the_thumbnail_and_keeps_an_area(width, height, data):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    pixels, boxes = thumbnail(np.zeros((height, width, 3), np.uint8), [(x0, y0, x1, y1)])
    left, top, right, bottom = boxes[0]
    assert 0 <= left < right <= pixels.shape[1] <= 480
    assert 0 <= top < bottom <= pixels.shape[0] <= 480
