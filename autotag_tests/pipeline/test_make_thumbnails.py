"""thumbnails: one a content, upright, never larger than the image, kept while an image has it."""

import io
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.errors import MissingInputError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.make_thumbnails import ThumbnailsWorker, finish_thumbnails, thumbnail_tables
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.run_units import Step, run_step
from autotag.pipeline.target_parts import Chunk, chunks_of
from autotag.storage import images
from autotag.storage.attempts import AttemptJournal
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders, picture, snapshot

PX = 64


def thumbnails(plan: PipelinePlan, key: str = "f", px: int = PX) -> StepCounts:
    """target_images, then thumbnails, as the assets do."""
    list_target_images(plan, key)
    return again(plan, key, px)


def again(plan: PipelinePlan, key: str = "f", px: int = PX) -> StepCounts:
    chunks = chunks_of(plan, key, 4)
    step = Step("thumbnails", WorkerPlan(ThumbnailsWorker, (plan, px)), [chunk.unit for chunk in chunks])
    with closing(InProcessEngine()) as engine:
        run_step(engine, step)
    return finish_thumbnails(plan, chunks, key, long_edge_px=px).close("thumbnails")


def on_disk(plan: PipelinePlan, key: str = "f") -> dict[str, int]:
    """Name and time of writing of each thumbnail."""
    directory = Path(plan.layout.folder_tables(key).thumbnails.path)
    return {path.name: path.stat().st_mtime_ns for path in directory.glob("*.jpg")}


def table(plan: PipelinePlan, key: str = "f") -> Mapping[str, str]:
    rows = read_table(plan.layout.folder_tables(key).thumbnail_table)
    return dict(zip(rows["file"].to_pylist(), rows["thumbnail_file"].to_pylist(), strict=True))


def rejects(plan: PipelinePlan, key: str = "f") -> list[dict[str, Any]]:
    return read_table(plan.layout.folder_tables(key).thumbnail_rejects).to_pylist()


def opened(plan: PipelinePlan, file: str) -> Image.Image:
    return Image.open(Path(plan.layout.folder_tables("f").thumbnails.path) / table(plan)[file])


def test_every_image_gets_a_small_upright_jpeg_named_by_its_content(
    plan: PipelinePlan, folders: Folders
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (300, 100), (200, 0, 0)).save(stream, "JPEG", exif=exif)
    data = {
        "turned.jpg": stream.getvalue(),
        "large.png": picture(1, 256, 128),
        "-tiny ü.png": picture(2, 9, 7),
    }
    before = snapshot(folders.make("f", data))
    counts = thumbnails(plan)
    assert (counts.taken, counts.made, counts.rejected, counts.regions) == (3, 3, 0, 0)
    assert {name: opened(plan, name).size for name in data} == {
        "turned.jpg": (21, 64),
        "large.png": (64, 32),
        "-tiny ü.png": (9, 7),
    }
    assert all(opened(plan, name).format == "JPEG" for name in data)
    assert table(plan)["large.png"] == f"{media_id(data['large.png'])[:32]}_64.jpg"
    assert set(on_disk(plan)) == set(table(plan).values())
    assert snapshot(folders.data / "target" / "f") == before


def test_copies_share_a_thumbnail(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {f"{name}.png": picture(0) for name in "abcdef"})
    counts = thumbnails(plan)
    assert (counts.taken, counts.made, len(on_disk(plan)), len(table(plan))) == (6, 6, 1, 6)


def test_a_second_run_makes_nothing_and_says_so(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 6)
    thumbnails(plan)
    before = on_disk(plan)
    counts = thumbnails(plan)
    assert (counts.resumed, counts.made) == (2, 6)
    assert on_disk(plan) == before


def test_a_thumbnail_that_was_deleted_is_made_again_and_no_other(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 6)
    thumbnails(plan)
    before, lost = on_disk(plan), table(plan)["p002.png"]
    (Path(plan.layout.folder_tables("f").thumbnails.path) / lost).unlink()
    again(plan)
    after = on_disk(plan)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {lost}


def test_one_that_was_deleted_and_cannot_be_made_again_is_no_silent_gap(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.simple("f", 6)
    thumbnails(plan)
    # Of the last chunk: the part of the first is in the joined table alone.
    (Path(plan.layout.folder_tables("f").thumbnails.path) / table(plan)["p005.png"]).unlink()
    (folder / "p005.png").unlink()
    counts = again(plan)
    assert (counts.taken, counts.made, counts.rejected, counts.reused) == (6, 5, 1, 5)
    assert table(plan).keys() == {f"p00{number}.png" for number in range(5)}
    (row,) = rejects(plan)
    assert (row["key"], row["stage"]) == ("p005.png", "read")
    assert (again(plan).resumed, rejects(plan)) == (2, [row])
    assert thumbnails(plan).made == 5
    assert rejects(plan) == []


def test_one_that_was_lost_and_rejected_comes_back_with_its_file(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.simple("f", 6)
    thumbnails(plan)
    before, data = table(plan), (folder / "p005.png").read_bytes()
    (Path(plan.layout.folder_tables("f").thumbnails.path) / before["p005.png"]).unlink()
    (folder / "p005.png").unlink()
    again(plan)
    assert "p005.png" not in table(plan)
    (folder / "p005.png").write_bytes(data)
    assert (thumbnails(plan).made, table(plan)) == (6, before)


def test_a_part_that_a_killed_run_left_is_made_again_where_a_thumbnail_came_back(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.simple("f", 6)
    thumbnails(plan)
    before = table(plan)
    lost = Path(plan.layout.folder_tables("f").thumbnails.path) / before["p005.png"]
    data = lost.read_bytes()
    lost.unlink()
    (folder / "p005.png").unlink()
    assert ThumbnailsWorker(plan, PX)(Chunk("f", 4, 4).unit).rejected == 1
    lost.write_bytes(data)
    assert (again(plan).made, table(plan)) == (6, before)


def test_a_thumbnail_that_lost_its_content_is_made_again(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    thumbnails(plan)
    (Path(plan.layout.folder_tables("f").thumbnails.path) / table(plan)["p001.png"]).write_bytes(b"")
    again(plan)
    assert opened(plan, "p001.png").size == (64, 48)


def test_what_left_the_folder_loses_its_thumbnail_and_what_came_gets_one(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.simple("f", 5)
    thumbnails(plan)
    before, gone = on_disk(plan), table(plan)["p000.png"]
    (folder / "p000.png").unlink()
    (folder / "p001.png").rename(folder / "renamed.png")
    folders.make("f", {"new.png": picture(50)})
    counts = thumbnails(plan)
    after = on_disk(plan)
    assert (counts.taken, counts.made, counts.reused) == (5, 5, 4)
    assert gone not in after
    assert {name: after[name] for name in before if name != gone} == {
        name: before[name] for name in before if name != gone
    }
    assert after.keys() == set(table(plan).values())
    assert {"new.png", "renamed.png"} < table(plan).keys()


def test_another_size_replaces_the_thumbnails(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    thumbnails(plan, px=64)
    thumbnails(plan, px=32)
    assert all(name.endswith("_32.jpg") for name in on_disk(plan))
    assert len(on_disk(plan)) == 3


def test_what_a_killed_run_had_made_is_kept_and_its_temporaries_go(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 8)
    list_target_images(plan, "f")
    first = chunks_of(plan, "f", 4)[0]
    ThumbnailsWorker(plan, PX)(first.unit)
    directory = Path(plan.layout.folder_tables("f").thumbnails.path)
    (directory / ".abc.host.1.2.tmp").write_bytes(b"half")
    before = on_disk(plan)
    counts = again(plan)
    after = on_disk(plan)
    assert (counts.made, len(before), len(after)) == (8, 4, 8)
    assert {name: after[name] for name in before} == before
    assert {path.name for path in directory.iterdir()} == {
        *after,
        "thumbnails.parquet",
        "thumbnail_rejects.parquet",
    }


def test_an_image_that_kills_workers_is_a_reject_and_the_others_have_thumbnails(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 4)
    list_target_images(plan, "f")
    worker, unit = ThumbnailsWorker(plan, PX), Chunk("f", 0, 4).unit
    fingerprint = thumbnail_tables(plan, "f", PX).stamp.fingerprint
    for _ in range(plan.max_attempts):
        AttemptJournal(worker.journal(unit), fingerprint, plan.max_attempts).take(["p002.png"], 0, 4)
        worker.note_death(unit)
    counts = again(plan)
    assert (counts.made, counts.rejected) == (3, 1)
    (row,) = rejects(plan)
    assert (row["key"], row["stage"]) == ("p002.png", "worker")
    assert "p002.png" not in table(plan)


def test_a_file_that_changed_since_it_was_listed_is_a_reject(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    list_target_images(plan, "f")
    folders.make("f", {"p001.png": picture(99)})
    counts = again(plan)
    assert (counts.made, counts.rejected) == (2, 1)
    (row,) = rejects(plan)
    assert (row["key"], row["stage"]) == ("p001.png", "read")


def test_an_intact_copy_of_a_file_that_changed_has_its_thumbnail(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.make("f", {name: picture(0) for name in ("a.png", "b.png", "c.png")})
    list_target_images(plan, "f")
    folders.make("f", {"a.png": picture(99)})
    (folder / "b.png").unlink()
    counts = again(plan)
    assert (counts.made, counts.rejected, len(on_disk(plan))) == (3, 0, 1)


def test_copies_that_can_all_be_read_no_more_have_each_its_own_reason(
    plan: PipelinePlan, folders: Folders
) -> None:
    folder = folders.make("f", {name: picture(0) for name in ("a.png", "b.png")})
    list_target_images(plan, "f")
    folders.make("f", {"a.png": picture(99)})
    (folder / "b.png").unlink()
    assert again(plan).rejected == 2
    assert {row["key"]: row["reason"] for row in rejects(plan)} == {
        "a.png": "the file was changed while the folder was being processed",
        "b.png": "No such file or directory",
    }


def test_a_folder_without_images_has_no_thumbnails(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {"notes.txt": b"x"})
    counts = thumbnails(plan)
    assert (counts.taken, on_disk(plan)) == (0, {})


def test_without_a_manifest_it_says_what_comes_first(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 1)
    with pytest.raises(MissingInputError, match="materialise target_images of f first"):
        again(plan)


def test_a_large_jpeg_is_never_decoded_whole(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((800, 1200, 3), np.uint8)).save(stream, "JPEG")
    folders.make("f", {"a.jpg": stream.getvalue()})
    list_target_images(plan, "f")
    sizes: list[tuple[int, int]] = []
    to_rgb = images.to_rgb
    monkeypatch.setattr(images, "to_rgb", lambda image: sizes.append(image.size) or to_rgb(image))
    ThumbnailsWorker(plan, PX)(Chunk("f", 0, 4).unit)
    assert sizes == [(150, 100)]


def test_writing_thousands_does_not_look_through_the_directory_each_time(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.simple("f", 4)
    list_target_images(plan, "f")
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": looked.append(str(path)) or scandir(path))
    ThumbnailsWorker(plan, PX)(Chunk("f", 0, 4).unit)
    assert not [path for path in looked if path.endswith("f/thumbnails")]
