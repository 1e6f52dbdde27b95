import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from autotag.errors import BadShardError, MissingInputError
from autotag.pipeline.contact_sheet_source import source_sheet_items
from autotag.storage.images import ImageLimits
from autotag_tests.pipeline.sheet_corpus import embedded_shard, picture, plan_in


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
    assert [(box.label, box.box_xyxy_px) for box in items[0].boxes] == [("bird", (48, 36, 240, 180))]
    assert not any(each.earned_by or each.voters for item in items for each in item.tags)


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
