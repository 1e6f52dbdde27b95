import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from autotag.domain.identity import folder_key, media_id
from autotag.domain.schemas import SOURCE_IMAGES
from autotag.domain.voter_names import folder_shard
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.review import source_pictures
from autotag.review.source_pictures import SourcePicture, SourcePictures, SourceRegion, small_jpeg
from autotag.storage.images import ImageLimits
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders, encoded, picture

LEFT, WHOLE = (0, 0, 40, 60), (0, 0, 100, 60)


def halves(shade: int) -> bytes:
    """Red on the left 40 columns, blue on the rest; 100 x 60 px."""
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, :40], pixels[:, 40:] = (200, shade, 0), (0, shade, 200)
    return encoded(pixels)


@pytest.fixture
def shard(plan: PipelinePlan, archive: Archive) -> dict[str, str]:
    """Two pictures in a shard, and their media ids by key."""
    archive.shard("00000", [("x/one.png", halves(10)), ("two.png", halves(20))])
    archive.tags("00000", {"x/one": ["a"], "two": ["b"]})
    SourceImagesWorker(plan)("00000")
    rows = manifest(plan).to_pylist()
    return {row["key"]: row["media_id"] for row in rows}


@pytest.fixture
def pictures(plan: PipelinePlan) -> SourcePictures:
    return SourcePictures(plan.layout, plan.limits)


def manifest(plan: PipelinePlan) -> pa.Table:
    return read_table(plan.layout.source(plan.model_id).images("00000"))


def rewrite(plan: PipelinePlan, **columns: object) -> None:
    """Another manifest of the shard: columns with one value for all rows."""
    table = manifest(plan)
    for name, value in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, table.schema.field(name), pa.array([value] * table.num_rows, table.schema.field(name).type)
        )
    path = plan.layout.source(plan.model_id).images("00000")
    write_table(path, table, SOURCE_IMAGES, read_stamp(path) or Stamp("source_images"))


def region(shard: dict[str, str], key: str = "two", box: tuple[int, int, int, int] = LEFT) -> SourceRegion:
    return SourceRegion("00000", key, shard[key], box)


def seen(picture: SourcePicture) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Size, and the colour of the middle."""
    assert picture.reason == ""
    image = Image.open(io.BytesIO(picture.jpeg))
    assert image.format == "JPEG"
    middle = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    return image.size, tuple(round(value / 10) * 10 for value in middle)


def test_a_region_is_cut_from_the_tar_and_shrunk(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures
) -> None:
    assert seen(pictures.picture(plan.model_id, region(shard), 30)) == ((20, 30), (200, 20, 0))
    right = region(shard, "x/one", (40, 0, 100, 60))
    assert seen(pictures.picture(plan.model_id, right, 500)) == ((60, 60), (0, 10, 200))


def test_only_the_bytes_of_the_image_are_read(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = source_pictures.read_member

    def noted(path, offset, size):
        asked.append((offset, size))
        return read(path, offset, size)

    monkeypatch.setattr(source_pictures, "read_member", noted)
    for _ in range(2):
        assert pictures.picture(plan.model_id, region(shard), 30).jpeg
    row = manifest(plan).to_pylist()[1]
    assert asked == [(row["offset_bytes"], row["size_bytes"])]  # and once: the second time it is remembered


def test_the_pictures_last_asked_for_are_remembered_and_no_more_than_fit(
    plan: PipelinePlan, shard: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = SourcePictures(plan.layout, plan.limits, memory_bytes=1)
    assert small.picture(plan.model_id, region(shard), 30).jpeg
    plan_shard = Path(plan.layout.shard("00000"))
    plan_shard.unlink()
    assert "is not there any more" in small.picture(plan.model_id, region(shard), 30).reason


def test_a_shard_that_changed_is_told_and_no_wrong_picture_is_shown(
    plan: PipelinePlan, shard: dict[str, str], archive: Archive, pictures: SourcePictures
) -> None:
    archive.shard("00000", [("two.png", halves(20)), ("x/one.png", halves(10))])
    picture = pictures.picture(plan.model_id, region(shard), 30)
    assert picture.jpeg == b""
    assert "the shard changed since it was read" in picture.reason
    assert str(plan.layout.shard("00000")) in picture.reason


def test_a_shard_that_was_processed_anew_is_found_again_without_a_restart(
    plan: PipelinePlan, shard: dict[str, str], archive: Archive, pictures: SourcePictures
) -> None:
    assert pictures.picture(plan.model_id, region(shard), 30).jpeg
    archive.shard("00000", [("first.png", halves(90)), ("two.png", halves(20))])
    archive.tags("00000", {"two": ["b"]})
    SourceImagesWorker(plan)("00000")
    assert seen(pictures.picture(plan.model_id, region(shard), 29))[1] == (200, 20, 0)
    gone = pictures.picture(plan.model_id, region(shard, "x/one"), 30)
    assert "00000/x/one is not in the shard's manifest any more" in gone.reason


def test_a_shard_that_is_gone_and_comes_back_is_shown_again(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures
) -> None:
    tar = Path(plan.layout.shard("00000"))
    data = tar.read_bytes()
    tar.unlink()
    assert "is not there any more; put it back" in pictures.picture(plan.model_id, region(shard), 30).reason
    tar.write_bytes(data)
    assert pictures.picture(plan.model_id, region(shard), 30).jpeg


def test_a_shard_that_ends_early_is_told(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures
) -> None:
    tar = Path(plan.layout.shard("00000"))
    tar.write_bytes(tar.read_bytes()[:1600])
    assert (
        "the file was changed after it was read" in pictures.picture(plan.model_id, region(shard), 30).reason
    )


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"offset_bytes": -5}, "places two at byte -5"),
        ({"offset_bytes": 10**9}, "the file was changed after it was read"),
        ({"size_bytes": 10**15}, "which cannot be"),
        ({"size_bytes": 0}, "which cannot be"),
        ({"media_id": "0" * 64}, "another image now than the one that voted"),
        ({"key": "other"}, "is not in the shard's manifest any more"),
    ],
)
def test_a_manifest_that_does_not_fit_is_told(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures, columns: dict[str, object], told: str
) -> None:
    rewrite(plan, **columns)
    picture = pictures.picture(plan.model_id, region(shard), 30)
    assert (picture.jpeg, told in picture.reason) == (b"", True), picture.reason


def test_manifests_that_are_missing_damaged_or_foreign_are_told(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures
) -> None:
    path = plan.layout.source(plan.model_id).images("00000")
    schema = pa.schema([pa.field("name", pa.string())])
    write_table(path, pa.table({"name": ["x"]}), schema, Stamp("other"))
    assert "is damaged" in pictures.picture(plan.model_id, region(shard), 30).reason
    path.write_bytes(b"PAR1 nothing")
    assert "is damaged" in pictures.picture(plan.model_id, region(shard), 30).reason
    path.unlink()
    assert "materialise source_images of 00000" in pictures.picture(plan.model_id, region(shard), 30).reason
    assert "is not there" in pictures.picture("other+model", region(shard), 30).reason


@pytest.mark.parametrize("box", [(0, 0, 101, 60), (-1, 0, 10, 10), (5, 5, 5, 9), (50, 0, 10, 10)])
def test_a_box_that_is_not_in_the_image_is_told(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures, box: tuple[int, int, int, int]
) -> None:
    picture = pictures.picture(plan.model_id, region(shard, box=box), 30)
    assert f"box {list(box)} is not in 100 x 60 px" in picture.reason


def test_an_image_that_tighter_limits_refuse_is_told(plan: PipelinePlan, shard: dict[str, str]) -> None:
    strict = SourcePictures(plan.layout, replace(plan.limits, max_pixels=100))
    told = strict.picture(plan.model_id, region(shard), 30).reason
    assert "at most 100 pixels are allowed" in told
    few = SourcePictures(plan.layout, ImageLimits(max_bytes=10))
    assert "which cannot be" in few.picture(plan.model_id, region(shard), 30).reason


def test_errors_of_an_object_store_become_reasons_too(
    plan: PipelinePlan, shard: dict[str, str], pictures: SourcePictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(source_pictures, "read_member", fail)
    assert (
        pictures.picture(plan.model_id, region(shard), 30).reason
        == "00000/two cannot be read: no credentials"
    )


def test_pictures_are_never_enlarged() -> None:
    assert Image.open(io.BytesIO(small_jpeg(np.zeros((1, 3, 3), np.uint8), 100))).size == (3, 1)
    assert Image.open(io.BytesIO(small_jpeg(np.zeros((4, 4000, 3), np.uint8), 100))).size == (100, 1)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_small_region_of_a_large_image_is_as_sharp_as_wanted(
    plan: PipelinePlan, archive: Archive, pictures: SourcePictures, form: str
) -> None:
    pixels = np.full((1200, 1600, 3), 128, np.uint8)
    pixels[300:500, 800:1000] = (20, 180, 20)
    archive.shard("00000", [("big.png", encoded(pixels, form))])
    archive.tags("00000", {"big": ["a"]})
    SourceImagesWorker(plan)("00000")
    (row,) = manifest(plan).to_pylist()

    def asked(box: tuple[int, int, int, int], long_edge_px: int) -> SourcePicture:
        wanted = SourceRegion("00000", "big", row["media_id"], box)
        return pictures.picture(plan.model_id, wanted, long_edge_px)

    assert seen(asked((800, 300, 1000, 500), 100)) == ((100, 100), (20, 180, 20))
    assert seen(asked((800, 300, 1000, 500), 300)) == ((200, 200), (20, 180, 20))
    assert seen(asked((0, 0, 1600, 1200), 100)) == ((100, 75), (130, 130, 130))
    assert seen(asked((801, 301, 802, 302), 100))[0] == (1, 1)


def test_an_approved_image_of_a_folder_that_voted_is_shown_and_told_when_it_changed(
    plan: PipelinePlan, folders: Folders
) -> None:
    data = picture(1)
    path = folders.make("old trip", {"a.png": data}) / "a.png"
    voter = SourceRegion(folder_shard(folder_key("old trip")), "a.png", media_id(data), (0, 0, 64, 48))
    pictures = SourcePictures(plan.layout, plan.limits)
    assert pictures.picture("any", voter, 32).jpeg
    path.write_bytes(picture(2))
    assert "changed" in SourcePictures(plan.layout, plan.limits).picture("any", voter, 32).reason
