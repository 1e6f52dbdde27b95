import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.regions import Region, RegionRules, clip_box, cut, keep_regions, whole_image

SIDES = st.integers(1, 300)
NUMBERS = st.one_of(st.floats(-400, 700), st.sampled_from([float("nan"), float("inf"), float("-inf")]))
BOXES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
SCORES = st.one_of(st.floats(0, 1), st.just(float("nan")))
FOUND = st.lists(
    st.builds(lambda box, score: Region("object", box, "thing", score), BOXES, SCORES), max_size=12
)
RULES = st.builds(RegionRules, st.integers(0, 5000), st.floats(0, 1), st.integers(0, 9))


@given(FOUND, SIDES, SIDES, RULES)
def test_what_is_kept_obeys_the_rules(
    found: list[Region], width: int, height: int, rules: RegionRules
) -> None:
    kept = keep_regions(found, width, height, rules)
    assert kept[0] == whole_image(width, height)
    objects = kept[1:]
    assert len(objects) <= rules.max_regions
    assert [r.score for r in objects] == sorted((r.score for r in objects), reverse=True)
    assert len({r.box_xyxy_px for r in objects}) == len(objects)
    for region in objects:
        x0, y0, x1, y1 = region.box_xyxy_px
        assert region.kind == "object"
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert all(isinstance(number, int) for number in region.box_xyxy_px)
        assert region.area_px >= rules.min_area_px
        assert region.score >= rules.score_threshold


@given(FOUND, SIDES, SIDES, RULES, st.randoms())
def test_the_order_of_detections_does_not_matter(found, width, height, rules, random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert [r.box_xyxy_px for r in keep_regions(found, width, height, rules)] == [
        r.box_xyxy_px for r in keep_regions(shuffled, width, height, rules)
    ]


@given(FOUND, SIDES, SIDES, RULES)
def test_keeping_twice_keeps_the_same(
    found: list[Region], width: int, height: int, rules: RegionRules
) -> None:
    kept = keep_regions(found, width, height, rules)
    assert keep_regions(kept[1:], width, height, rules) == kept


@given(BOXES, SIDES, SIDES)
def test_a_clipped_box_lies_in_the_image(box: tuple[float, ...], width: int, height: int) -> None:
    x0, y0, x1, y1 = clip_box(box, width, height)
    assert 0 <= x0 <= x1 <= width
    assert 0 <= y0 <= y1 <= height


def test_boxes_are_rounded_outwards() -> None:
    assert clip_box((1.2, 2.9, 3.1, 4.0), 10, 10) == (1, 2, 4, 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_box_that_is_not_finite_is_dropped(bad: float) -> None:
    assert clip_box((0, 0, bad, 9), 10, 10) == (0, 0, 0, 0)
    assert keep_regions([Region("object", (0, 0, bad, 9))], 10, 10, RegionRules(1, 0.0, 8)) == [
        whole_image(10, 10)
    ]


def test_a_score_that_is_no_number_is_dropped() -> None:
    found = [Region("object", (0, 0, 5, 5), "cat", float("nan"))]
    assert keep_regions(found, 10, 10, RegionRules(1, 0.0, 8)) == [whole_image(10, 10)]


def test_the_least_area_is_allowed_and_one_less_is_not() -> None:
    rules = RegionRules(min_area_px=25, score_threshold=0.5, max_regions=8)
    just, short = Region("object", (0, 0, 5, 5), "a", 0.5), Region("object", (0, 0, 6, 4), "b", 0.5)
    assert keep_regions([just, short], 10, 10, rules)[1:] == [just]


def test_of_two_equal_boxes_the_better_one_stays() -> None:
    boxes = [Region("object", (0, 0, 5, 5), "cat", 0.6), Region("object", (0, 0, 5, 5), "dog", 0.9)]
    assert [r.class_name for r in keep_regions(boxes, 10, 10, RegionRules(1, 0.1, 8))[1:]] == ["dog"]


def test_cut_is_a_view_of_exactly_the_box() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    pixels = cut(image, Region("object", (1, 2, 5, 4)))
    assert pixels.shape == (2, 4, 3)
    assert np.shares_memory(pixels, image)
    assert (pixels == image[2:4, 1:5]).all()
