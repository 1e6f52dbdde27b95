"""Regions are drawn where they were found, whatever the size and turn of the image; another image is told, not shown."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageColor
from upath import UPath

from autotag.domain.identity import media_id
from autotag.domain.schemas import TARGET_REGIONS
from autotag.errors import MissingInputError, RejectedImageError
from autotag.review.boxed_picture import DrawnBox, boxed_picture, boxes_of, color_of
from autotag.storage.folder_tables import FolderTables
from autotag.storage.images import ImageLimits
from autotag.storage.tables import Stamp, write_table
from autotag_tests.conftest import encoded

LABEL = "bird 0.90"
ORIENTATION = 0x0112
LIMITS = ImageLimits()


def black(path: Path, width: int, height: int, form: str = "PNG", **options: object) -> bytes:
    data = encoded(np.zeros((height, width, 3), np.uint8), form, **options)
    path.write_bytes(data)
    return data


def region(file: str, index: int, kind: str = "object") -> dict[str, object]:
    return {
        "file": file,
        "region_id": f"{file}-{index}",
        "media_id": "a" * 64,
        "region_index": index,
        "kind": kind,
        "box_xyxy_px": (index, 2, index + 30, 42),
        "class_name": "bird",
        "score": 0.9,
        "area_px": 1200,
    }


def drawn(folder: Path, box: tuple[int, int, int, int], long_edge_px: int) -> np.ndarray:
    """Pixels, int (height, width, 3), of a.png with one box."""
    shown = boxed_picture(UPath(folder), "a.png", LIMITS, [DrawnBox(1, box, LABEL)], long_edge_px)
    return np.asarray(Image.open(io.BytesIO(shown)), dtype=int)


def extent(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Box around everything that is not black, x0 y0 x1 y1; JPEG blurs edges, so half as bright counts."""
    rows, columns = np.nonzero(pixels.max(axis=2) > 128)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_box_is_drawn_around_its_pixels_in_its_labels_colour(tmp_path: Path) -> None:
    black(tmp_path / "a.png", 400, 300)
    pixels = drawn(tmp_path, (100, 80, 300, 240), 400)
    assert pixels.shape == (300, 400, 3)
    assert extent(pixels) == pytest.approx((100, 80, 300, 240), abs=1)
    assert pixels[160, 101] == pytest.approx(ImageColor.getrgb(color_of(LABEL)), abs=40)
    assert pixels[200, 200].max() < 30  # what is in it can be seen


def test_boxes_shrink_with_the_image(tmp_path: Path) -> None:
    black(tmp_path / "a.png", 800, 600)
    pixels = drawn(tmp_path, (200, 160, 600, 480), 400)
    assert pixels.shape == (300, 400, 3)
    assert extent(pixels) == pytest.approx((100, 80, 300, 240), abs=1)


def test_boxes_of_a_turned_photo_lie_on_the_upright_one(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # stored on its side, as cameras do
    black(tmp_path / "a.png", 800, 600, form="JPEG", exif=exif)
    pixels = drawn(tmp_path, (160, 200, 480, 600), 400)
    assert pixels.shape == (400, 300, 3)
    assert extent(pixels) == pytest.approx((80, 100, 240, 300), abs=1)


def test_an_image_that_is_another_by_now_is_told(tmp_path: Path) -> None:
    media = media_id(black(tmp_path / "a.png", 40, 30))
    shown = (UPath(tmp_path), "a.png", LIMITS, [], 40)
    assert boxed_picture(*shown, media_id=media).startswith(b"\xff\xd8")
    black(tmp_path / "a.png", 41, 30)
    with pytest.raises(RejectedImageError, match="changed"):
        boxed_picture(*shown, media_id=media)
    assert boxed_picture(*shown).startswith(b"\xff\xd8")


def test_only_the_regions_of_the_image_are_its_boxes(tmp_path: Path) -> None:
    tables = FolderTables(UPath(tmp_path / "trip"))
    rows = [region("a.png", 0, "image"), region("a.png", 1), region("a.png", 2), region("b.png", 1)]
    table = pa.Table.from_pylist(rows, schema=TARGET_REGIONS)
    write_table(tables.regions, table, TARGET_REGIONS, Stamp("target_regions", "m1"))
    found = boxes_of(tables, "trip", "a.png")
    assert found == [DrawnBox(1, (1, 2, 31, 42), LABEL), DrawnBox(2, (2, 2, 32, 42), LABEL)]


def test_regions_that_were_never_looked_for_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="target_crops of trip"):
        boxes_of(FolderTables(UPath(tmp_path / "trip")), "trip", "a.png")
