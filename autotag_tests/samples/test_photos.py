"""The photos sample: real, varied, tagged by what each crop shows, and fair to its targets."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.errors import MissingInputError
from autotag.samples.photo_areas import ARCHIVE, TARGETS, Area, Photograph
from autotag.samples.photos import crops_of, make_photo_sample
from autotag.samples.writer import SampleSummary
from autotag.settings import Paths, Settings
from autotag.storage.images import ImageLimits, decode_image
from autotag.storage.roots import layout_of
from autotag.storage.shards import ShardReader
from autotag.storage.tags import read_tags

PHOTOGRAPHS = [*ARCHIVE, *(photograph for folder in TARGETS.values() for photograph in folder)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    """The sample, made once."""
    return make_photo_sample(tmp_path_factory.mktemp("photos"))


def test_areas_lie_in_their_photographs_and_have_tags() -> None:
    for photograph in PHOTOGRAPHS:
        assert photograph.crops >= len(photograph.areas)
        assert len({area.name for area in photograph.areas}) == len(photograph.areas)
        for area in photograph.areas:
            x0, y0, x1, y1 = area.box_xyxy_px
            assert 0 <= x0 < x1
            assert 0 <= y0 < y1
            assert area.caption
            assert all(tag == tag.strip().lower() for tag in (*area.tags, *photograph.always))


def test_no_target_photograph_is_in_the_archive_and_every_tag_to_be_found_is() -> None:
    targets = [photograph for folder in TARGETS.values() for photograph in folder]
    assert not {p.file for p in targets} & {p.file for p in ARCHIVE}
    known = {tag for p in ARCHIVE for tag in (*p.always, *(t for area in p.areas for t in area.tags))}
    assert {tag for p in targets for tag in (*p.always, *(t for area in p.areas for t in area.tags))} <= known


def test_a_missing_package_is_named_with_the_remedy() -> None:
    gone = Photograph(
        "gone", "no-such-package", "no_such_package", "a.jpg", 1, (Area("a", (0, 0, 9, 9), (), ""),)
    )
    with pytest.raises(MissingInputError, match=r"pip install.*no-such-package"):
        list(crops_of(gone))


def test_crops_carry_the_tags_of_what_they_show() -> None:
    bus = next(p for p in ARCHIVE if p.name == "bus")
    crops = {crop.name: crop for crop in crops_of(bus)}
    assert {"bus", "vehicle", "person", "man"} <= set(crops["bus-bus-00"].tags)
    assert crops["bus-pavement-04"].tags == ("street", "ground")
    assert "bus" not in crops["bus-man-01"].tags
    assert "person" in crops["bus-man-01"].tags
    assert [crop.jpeg for crop in crops_of(bus)] == [crop.jpeg for crop in crops.values()]


@pytest.mark.slow
def test_the_sample_is_as_large_as_promised_and_every_image_readable(sample: SampleSummary) -> None:
    assert len(sample.shards) == 4
    assert sample.images >= 200
    assert sample.size_bytes < 30_000_000
    assert len(sample.folders) == 2
    assert min(sample.folders.values()) >= 10
    digests: set[str] = set()
    for shard in sample.shards:
        tags = read_tags(UPath(sample.root / f"source/tags/{shard}.parquet"))
        with (sample.root / f"source/shards/{shard}.tar").open("rb") as stream:
            reader = ShardReader(stream, shard, ImageLimits())
            for member in reader:
                pixels = decode_image(member.data, ImageLimits(min_side_px=64)).pixels
                assert np.std(pixels) > 8, f"{member.key} is nearly blank"
                assert tags.pop(member.key).tags
                digests.add(hashlib.sha256(member.data).hexdigest())
        assert not tags
        assert not reader.rejects
    assert len(digests) == sample.images


@pytest.mark.slow
def test_every_target_file_has_its_truth_and_the_layout_finds_all(sample: SampleSummary) -> None:
    layout = layout_of(Settings(paths=Paths(data=str(sample.root))))
    assert all(layout.shard(shard).exists() and layout.tags(shard).exists() for shard in sample.shards)
    for folder, count in sample.folders.items():
        rows = pq.read_table(sample.root / f"truth/{folder}.parquet").to_pylist()
        files = {path.name for path in (layout.target / folder).iterdir()}
        assert {row["file"] for row in rows} == files
        assert len(files) == count
        assert all(row["tags"] for row in rows)
