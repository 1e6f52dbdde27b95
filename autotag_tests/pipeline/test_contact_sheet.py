import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from autotag.domain.regions import Region
from autotag.errors import BadShardError, MissingInputError
from autotag.pipeline.contact_sheet import (
    SheetTag,
    _shrunk,
    evenly_spread,
    folder_sheet_items,
    source_sheet_items,
    spread_over,
)
from autotag.storage.images import ImageLimits
from autotag_tests.pipeline.sheet_corpus import embedded_shard, picture, plan_in, tag, tagged_folder


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


def test_a_folder_gives_thumbnails_with_scaled_boxes_tags_and_reasons(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"b.png": [], "a.png": [tag("bird", 0.9, 7), tag("sea", 0.5, 3)]})
    first, second = folder_sheet_items(plan, "trip", 10)
    assert (first.title, second.title) == ("a.png", "b.png")
    assert first.tags == (SheetTag("bird", 0.9, 7), SheetTag("sea", 0.5, 3))
    assert (second.tags, second.reason) == ((), "too few votes")
    assert first.pixels.shape == (360, 480, 3)
    assert [(box.label, box.box_xyxy_px) for box in first.boxes] == [("bird", (48, 36, 240, 180))]


def test_files_that_are_gone_damaged_or_changed_are_left_out(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {f"{name}.png": [tag("bird")] for name in "abcd"})
    folder = Path(plan.layout.folder("trip"))
    (folder / "a.png").unlink()
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "c.png").write_bytes(picture(200))
    assert [item.title for item in folder_sheet_items(plan, "trip", 10)] == ["d.png"]


def test_an_untagged_folder_says_what_is_missing(tmp_path):
    with pytest.raises(MissingInputError, match="autotag tag-target --folder trip"):
        folder_sheet_items(plan_in(tmp_path), "trip", 10)


def test_a_folder_without_regions_names_the_asset(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"a.png": [tag("bird")]})
    plan.layout.folder_tables("trip").regions.unlink()
    with pytest.raises(MissingInputError, match="materialise target_crops of trip first"):
        folder_sheet_items(plan, "trip", 10)


def test_source_images_are_cut_from_the_tar_with_the_recorded_tags(tmp_path):
    plan = plan_in(tmp_path)
    embedded_shard(plan, "00000", {"x": ["bird", "sea"], "y": []})
    embedded_shard(plan, "00001", {"z": ["cat"]})
    items = source_sheet_items(plan, ["00000", "00001"], 10)
    assert [item.title for item in items] == ["00000/x", "00000/y", "00001/z"]
    assert [[each.tag for each in item.tags] for item in items] == [["bird", "sea"], [], ["cat"]]
    assert all(each.score is None and each.votes is None for item in items for each in item.tags)
    shades = [Image.open(io.BytesIO(picture(number))).getpixel((0, 0)) for number in (0, 1, 50)]
    assert [tuple(item.pixels[0, 0]) for item in items] == shades
    assert items[0].boxes[0].label == "bird"


def test_no_more_shards_are_opened_than_images_are_wanted(tmp_path):
    plan = plan_in(tmp_path)
    embedded_shard(plan, "00001", {"x": ["bird"], "y": ["cat"]})
    items = source_sheet_items(plan, ["00000", "00001", "00002"], 1)
    assert [item.title for item in items] == ["00001/y"]


def test_nothing_is_opened_for_no_images(tmp_path):
    plan = plan_in(tmp_path)
    assert source_sheet_items(plan, ["00000"], 0) == []
    assert source_sheet_items(plan, [], 5) == []


def test_a_shard_without_tables_names_the_asset(tmp_path):
    with pytest.raises(MissingInputError, match="materialise source_embeddings of 00000 first"):
        source_sheet_items(plan_in(tmp_path), ["00000"], 5)


def test_a_tar_that_was_changed_since_is_an_error(tmp_path):
    plan = plan_in(tmp_path)
    embedded_shard(plan, "00000", {"x": ["bird"]})
    tar = Path(plan.layout.shard("00000"))
    tar.write_bytes(bytes(len(tar.read_bytes())))
    with pytest.raises(BadShardError, match="x is not the image that was processed"):
        source_sheet_items(plan, ["00000"], 5)


def test_a_source_image_that_tighter_limits_refuse_is_left_out(tmp_path):
    plan = plan_in(tmp_path)
    embedded_shard(plan, "00000", {"x": ["bird"]})
    assert source_sheet_items(replace(plan, limits=ImageLimits(max_pixels=100)), ["00000"], 5) == []


@given(st.integers(1, 900), st.integers(1, 900), st.data())
def test_a_shrunk_box_stays_inside_the_thumbnail_and_keeps_an_area(width, height, data):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    pixels, boxes = _shrunk(np.zeros((height, width, 3), np.uint8), [Region("object", (x0, y0, x1, y1))])
    left, top, right, bottom = boxes[0].box_xyxy_px
    assert 0 <= left < right <= pixels.shape[1] <= 480
    assert 0 <= top < bottom <= pixels.shape[0] <= 480
