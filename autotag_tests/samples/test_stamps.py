"""The stamps sample, from a small directory of the package's form, and the real one where it is there."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from upath import UPath

from autotag.errors import MissingInputError
from autotag.samples.stamps import STAMPS_DIR, make_stamps_sample
from autotag.storage.tags import read_tags

CATEGORIES = [
    "animals/birds",
    "animals/mammals/bovines",
    "household/arttools",
    "plants/flowers",
    "vehicles/auto",
]


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """Ten stamps, and files that are none."""
    directory = tmp_path / "stamps"
    for number, category in enumerate([*CATEGORIES, *CATEGORIES]):
        folder = directory / category
        folder.mkdir(parents=True, exist_ok=True)
        stamp = Image.new("RGBA", (96, 48), (0, 0, 0, 0))
        stamp.paste((10 * number, 90, 200, 255), (24, 12, 72, 36))
        stamp.save(folder / f"Big_{number}.png")
        (folder / f"Big_{number}.txt").write_text(
            f"Thing number {number}.\nde.utf8=Ding.\n", encoding="utf-8"
        )
        stamp.save(folder / f"Big_{number}_mirror.png")
    for other in ("animals/birds/cartoon", "symbols/math"):
        (directory / other).mkdir(parents=True)
        Image.new("RGB", (96, 48)).save(directory / other / "drawing.png")
    (directory / CATEGORIES[0] / "Big_0.txt").unlink()
    return directory


def test_tags_are_the_category_path_in_singular_words(stamps: Path, tmp_path: Path) -> None:
    summary = make_stamps_sample(tmp_path / "data", stamps)
    assert (summary.images, summary.folders, len(summary.shards)) == (8, {"dev": 2}, 4)
    archive = {
        key: row
        for shard in summary.shards
        for key, row in read_tags(UPath(summary.root / f"source/tags/{shard}.parquet")).items()
    }
    truth = pq.read_table(summary.root / "truth/dev.parquet").to_pylist()
    tags = {key: list(row.tags) for key, row in archive.items()} | {r["file"][:-4]: r["tags"] for r in truth}
    assert tags["animals-birds-big-0"] == ["animal", "bird"]
    assert tags["animals-mammals-bovines-big-6"] == ["animal", "mammal", "cattle"]
    assert tags["household-arttools-big-2"] == ["household item", "art tool"]
    assert tags["vehicles-auto-big-9"] == ["vehicle", "car"]
    captions = {key: row.caption for key, row in archive.items()} | {
        r["file"][:-4]: r["caption"] for r in truth
    }
    assert captions["plants-flowers-big-3"] == "Thing number 3."
    assert captions["animals-birds-big-0"] is None
    assert len(tags) == 10


def test_stamps_stand_on_white_and_are_large_enough(stamps: Path, tmp_path: Path) -> None:
    summary = make_stamps_sample(tmp_path / "data", stamps)
    files = list((summary.root / "target" / "dev").iterdir())
    assert len(files) == 2
    for file in files:
        with Image.open(file) as image:
            assert max(image.size) == 384
            assert image.mode == "RGB"
            assert image.getpixel((0, 0)) == (255, 255, 255)


def test_stamps_that_are_not_there_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="apt-get install tuxpaint-stamps-default"):
        make_stamps_sample(tmp_path / "data", tmp_path / "nowhere")
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
@pytest.mark.skipif(not STAMPS_DIR.is_dir(), reason="tuxpaint-stamps-default is not installed")
def test_the_package_gives_some_three_hundred_photographs(tmp_path: Path) -> None:
    summary = make_stamps_sample(tmp_path / "data")
    assert summary.images + summary.folders["dev"] > 250
    assert summary.folders["dev"] > 50
