import base64
import io

import numpy as np
import pytest
from PIL import Image

from autotag.pipeline.contact_sheet import SheetBox, SheetEarning, SheetItem, SheetTag
from autotag.pipeline.contact_sheet_marks import color_of
from autotag.pipeline.contact_sheet_tiles import (
    MAX_BYTES,
    _chip_rows,
    _label_place,
    _TileForm,
    sheet_jpeg,
    sheet_markdown,
)


def item(shade: int = 128, tags: tuple[SheetTag, ...] = (), **fields) -> SheetItem:
    return SheetItem("a.jpg", np.full((90, 120, 3), shade, np.uint8), fields.pop("boxes", ()), tags, **fields)


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    return image


def test_the_grid_is_as_wide_as_its_columns_and_as_high_as_its_rows():
    one, row, grid = (opened(sheet_jpeg([item()] * count, 200, 3)).size for count in (1, 3, 7))
    assert row[0] == grid[0] > 3 * 200 > one[0] > 200
    assert (grid[1] - one[1]) % 2 == 0
    assert grid[1] > 2.5 * one[1]


def test_a_sheet_of_noise_still_fits_the_event_log():
    source = np.random.default_rng(0)
    noise = [SheetItem("n", source.integers(0, 256, (300, 400, 3), np.uint8), (), ()) for _ in range(24)]
    jpeg = sheet_jpeg(noise, 400, 6)
    assert len(jpeg) <= MAX_BYTES
    assert opened(jpeg).width > 600


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_box_stands_out_from_black_grey_and_white(shade):
    boxed = np.asarray(
        opened(sheet_jpeg([item(shade, boxes=(SheetBox("", (20, 20, 100, 70)),))], 120, 1)), int
    )
    plain = np.asarray(opened(sheet_jpeg([item(shade)], 120, 1)), int)
    change = np.abs(boxed - plain).max(axis=2)
    assert (change[26:72, 24:30] > 60).any(axis=1).all()  # the left edge, all along
    assert change[45:55, 50:80].max() < 40  # what the box holds stays visible


@pytest.mark.parametrize("width", [64, 220, 500])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_chips_stay_inside_the_tile_and_the_rest_is_counted(width, count):
    form = _TileForm(width)
    tags = [SheetTag(f"tag number {number} with a long name", 0.5, 3) for number in range(count)]
    rows, left_over = _chip_rows(item(tags=tuple(tags)), form)
    assert sum(len(row) for row in rows) + left_over == count
    assert len(rows) <= 2
    for row in rows:
        if len(row) > 1:
            assert sum(chip.width + form.gap for chip in row) - form.gap <= width - 2 * form.pad


def test_odd_names_sizes_and_texts_are_drawn():
    odd = [
        SheetItem("東京\n\x00.png", np.zeros((1, 480, 3), np.uint8), (SheetBox("猫", (0, 0, 1, 1)),), ()),
        SheetItem(
            "",
            np.zeros((480, 1, 3), np.uint8),
            (SheetBox("x" * 300, (0, 470, 1, 480)),),
            (SheetTag("", 0.1, 1),),
        ),
        SheetItem("é" * 500, np.zeros((1, 1, 3), np.uint8), (), (SheetTag("ع" * 99),), ""),
        SheetItem("r", np.zeros((9, 9, 3), np.uint8), (), (), "why " * 90),
    ]
    for tile_px in (64, 220):
        assert opened(sheet_jpeg(odd, tile_px, 2)).format == "JPEG"


def test_a_sheet_of_nothing_says_so_in_a_picture():
    assert np.asarray(opened(sheet_jpeg([], 200, 4))).std() > 2


def test_the_markdown_carries_the_picture():
    jpeg = sheet_jpeg([item()], 100, 1)
    start = "![contact sheet](data:image/jpeg;base64,"
    markdown = sheet_markdown(jpeg)
    assert markdown.startswith(start)
    assert base64.b64decode(markdown[len(start) : -1], validate=True) == jpeg


def test_a_chip_with_a_swatch_is_drawn_in_the_boxs_colour():
    box = SheetBox("bird", (10, 10, 60, 60))
    tag = SheetTag("bird", 0.5, 3, (SheetEarning(0, (0, 0, 9, 9), 1.0),))
    marked = opened(sheet_jpeg([item(tags=(tag,), boxes=(box,))], 220, 1))
    plain = opened(sheet_jpeg([item(tags=(SheetTag("bird", 0.5, 3),), boxes=(box,))], 220, 1))
    red, green, blue = (int(color_of("bird")[place : place + 2], 16) for place in (1, 3, 5))
    below = [np.asarray(each, int)[200:] for each in (marked, plain)]
    near = [(np.abs(each - (red, green, blue)).max(axis=2) < 40).sum() for each in below]
    assert near[0] >= 20 > near[1]


@pytest.mark.parametrize("corner", [(0, 0), (30, 60), (0, 14)])
def test_a_label_leaves_the_upper_edge_of_its_box_in_sight(corner):
    _, y0, _, y1 = _label_place("bird", corner, (200, 150), [])
    assert y0 >= corner[1] + 4 or y1 <= corner[1]


def test_the_note_stands_below_the_tiles():
    plain = opened(sheet_jpeg([item()], 220, 1))
    noted = opened(sheet_jpeg([item()], 220, 1, "boxes are the detector's"))
    assert noted.width == plain.width
    assert noted.height > plain.height
    assert np.asarray(noted)[plain.height :].std() > 2
