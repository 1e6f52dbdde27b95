"""The sample writer: the house's own files, the same bytes every time, nobody else's file touched."""

import io
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from upath import UPath

from autotag.errors import UsageError
from autotag.samples.writer import MARKER, SampleImage, encode_jpeg, write_sample
from autotag.storage.images import ImageLimits, decode_image
from autotag.storage.shards import ShardReader
from autotag.storage.tags import ImageTags, read_tags


def image(name: str, colour: str = "red") -> SampleImage:
    """One image."""
    return SampleImage(
        name, encode_jpeg(Image.new("RGB", (32, 24), colour)), (colour, "plain"), f"All {colour}."
    )


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_shards_tags_folders_and_truth_are_readable_by_their_readers(tmp_path: Path) -> None:
    root = tmp_path / "new" / "data"
    folders = {"holidays/été 24": [image("c", "blue")]}
    summary = write_sample(root, "photos", [[image("a"), image("b", "lime")], []], folders)
    with (root / "source/shards/00000.tar").open("rb") as stream:
        members = list(ShardReader(stream, "00000.tar", ImageLimits()))
    assert [m.member_name for m in members] == ["a.jpg", "b.jpg"]
    assert decode_image(members[0].data, ImageLimits()).width == 32
    with tarfile.open(root / "source/shards/00000.tar") as archive:
        assert archive.getnames() == ["a.jpg", "a.txt", "b.jpg", "b.txt"]
        text = archive.extractfile("b.txt")
        assert text is not None
        assert text.read() == b"All lime."
    assert read_tags(UPath(root / "source/tags/00000.parquet")) == {
        "a": ImageTags(("red", "plain"), "All red."),
        "b": ImageTags(("lime", "plain"), "All lime."),
    }
    assert read_tags(UPath(root / "source/tags/00001.parquet")) == {}
    truth = pq.read_table(root / "truth/holidays/été 24.parquet").to_pylist()
    assert truth == [{"file": "c.jpg", "tags": ["blue", "plain"], "caption": "All blue."}]
    assert (root / "target/holidays/été 24/c.jpg").is_file()
    assert (summary.shards, summary.images, summary.tags) == (("00000", "00001"), 2, 3)
    assert summary.folders == {"holidays/été 24": 1}
    assert summary.size_bytes == sum(len(d) for n, d in contents(root).items() if n != MARKER)


def test_the_same_sample_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(tmp_path / name, "photos", [[image("a")]], {"f": [image("b")]})
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    with tarfile.open(fileobj=io.BytesIO(contents(tmp_path / "one")["source/shards/00000.tar"])) as archive:
        assert {info.mtime for info in archive} == {0}


def test_a_sample_is_written_over_an_older_one_and_leaves_other_files_alone(tmp_path: Path) -> None:
    write_sample(tmp_path, "stamps", [[image("a")], [image("b")]], {"dev": [image("c")]})
    (tmp_path / "target" / "dev" / "mine.jpg").write_bytes(b"mine")
    (tmp_path / "source" / "processed").mkdir()
    (tmp_path / "source" / "processed" / "kept").write_bytes(b"kept")
    write_sample(tmp_path, "photos", [[image("z")]], {"people": [image("y")]})
    assert set(contents(tmp_path)) == {
        MARKER,
        "source/shards/00000.tar",
        "source/tags/00000.parquet",
        "source/processed/kept",
        "target/dev/mine.jpg",
        "target/people/y.jpg",
        "truth/people.parquet",
    }


def test_a_directory_that_holds_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"not empty.*give a new directory"):
        write_sample(tmp_path, "photos", [[image("a")]], {})
    assert set(contents(tmp_path)) == {"thesis.txt"}
    with pytest.raises(UsageError):
        write_sample(tmp_path / "thesis.txt", "photos", [[image("a")]], {})


def test_a_marker_that_is_damaged_or_points_outside_removes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("keep")
    root = tmp_path / "root"
    root.mkdir()
    (root / MARKER).write_text('{"kind": "photos", "files": ["../outside.txt"]}')
    write_sample(root, "photos", [[image("a")]], {})
    assert outside.read_text() == "keep"
    (root / MARKER).write_text("[")
    with pytest.raises(UsageError, match="cannot be read"):
        write_sample(root, "photos", [[image("a")]], {})
