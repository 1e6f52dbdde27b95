from dataclasses import replace

import numpy as np
import pytest

from autotag.domain.identity import media_id
from autotag.errors import MissingInputError, RejectedImageError, UsageError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.serving.studio.search_examples import ExamplePixels, uploaded
from autotag.serving.studio.search_query import Box, Example
from autotag.storage.images import decode_image
from autotag_tests.conftest import Archive, Folders, bomb, picture

DATA = picture(1)


def of_folder(box: Box | None = None, folder: str = "trip") -> Example:
    return Example("catalog", "i", folder, "a.png", media_id(DATA), box)


def test_the_part_of_an_image_that_is_meant_is_cut(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("trip", {"a.png": DATA})
    whole = decode_image(DATA, plan.limits).pixels
    pixels = ExamplePixels(plan)
    assert np.array_equal(pixels.of(of_folder()), whole)
    assert np.array_equal(pixels.of(of_folder((4, 5, 20, 30))), whole[5:30, 4:20])
    assert np.array_equal(pixels.of(of_folder((4, 5, 9000, 9000))), whole[5:, 4:])
    assert len(pixels.jpeg(of_folder(), 16)) < len(pixels.jpeg(of_folder(), 64))


def test_what_is_no_part_or_is_gone_is_refused(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("trip", {"a.png": DATA})
    with pytest.raises(UsageError, match="draw another"):
        ExamplePixels(plan).of(of_folder((64, 0, 70, 9)))
    with pytest.raises(MissingInputError):
        ExamplePixels(plan).of(of_folder(folder="gone"))
    with pytest.raises(UsageError):
        ExamplePixels(plan).of(of_folder(folder="../elsewhere"))


def test_an_upload_is_told_by_its_content_and_held_to_the_limits(plan: PipelinePlan) -> None:
    example = uploaded("<b>holiday</b>.jpg", DATA)
    assert example.media_id == media_id(DATA)
    assert ExamplePixels(plan).of(example).shape == (48, 64, 3)
    for data in (b"", bomb(), DATA[:100], b"<html>"):
        with pytest.raises(RejectedImageError):
            ExamplePixels(plan).of(uploaded("a.png", data))


def test_archive_images_are_cut_from_their_shard(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("k1.png", DATA)])
    archive.tags("00000", {"k1": ["tag"]})
    SourceImagesWorker(plan)("00000")
    pixels = ExamplePixels(plan)
    found = pixels.of(Example("reference", "00000/k1", "00000", "k1", media_id(DATA), (0, 0, 32, 24)))
    assert found.shape == (24, 32, 3)
    with pytest.raises(UsageError, match="k2"):
        pixels.of(Example("reference", "00000/k2", "00000", "k2", media_id(DATA), (0, 0, 32, 24)))


def test_of_an_upload_no_more_pixels_are_kept_than_are_looked_at(plan: PipelinePlan) -> None:
    pixels = ExamplePixels(plan)
    data = picture(1, width=3000, height=1500, form="BMP")
    upload = uploaded("large.png", data)
    kept = pixels.kept(upload)
    assert pixels.of(kept).shape == (512, 1024, 3)
    assert len(kept.data) < len(data)
    assert (kept, kept.media_id) == (upload, media_id(data))
    assert np.abs(pixels.of(kept).mean((0, 1)) - pixels.of(upload).mean((0, 1))).max() < 2


def test_where_images_have_to_be_wide_a_narrow_upload_and_a_narrow_part_are_looked_for_all_the_same(
    plan: PipelinePlan, archive: Archive
) -> None:
    plan = replace(plan, limits=replace(plan.limits, min_side_px=40))
    pixels = ExamplePixels(plan)
    kept = pixels.kept(uploaded("panorama.png", picture(1, width=3001, height=47)))
    assert min(pixels.of(kept).shape[:2]) >= 40
    archive.shard("00000", [("k1.png", DATA)])
    archive.tags("00000", {"k1": ["tag"]})
    SourceImagesWorker(plan)("00000")
    part = Example("reference", "00000/k1", "00000", "k1", media_id(DATA), (0, 0, 32, 24))
    assert pixels.of(part).shape == (24, 32, 3)
