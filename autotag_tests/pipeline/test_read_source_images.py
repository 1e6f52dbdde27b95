import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.errors import BadShardError, BadTagsError, MissingInputError, UnwritableRootError
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Archive, bomb, encoded, picture, snapshot


def manifest(plan: PipelinePlan, shard: str = "00000") -> tuple[StepCounts, dict[str, dict], dict[str, dict]]:
    """Counts, rows by key, rejects by key."""
    counts = SourceImagesWorker(plan)(shard)
    tables = plan.layout.source(plan.model_id)
    rows = read_table(tables.images(shard)).to_pylist()
    rejects = read_table(tables.rejects(shard)).to_pylist()
    assert counts.taken == counts.made + counts.rejected + counts.duplicates
    assert (counts.made, counts.rejected + counts.duplicates) == (len(rows), len(rejects))
    return counts, {row["key"]: row for row in rows}, {row["key"]: row for row in rejects}


def header(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_a_row_tells_what_the_archive_holds(plan: PipelinePlan, archive: Archive) -> None:
    data = picture(3, 50, 40, "JPEG")
    path = archive.shard("00000", [("dir/b.jpg", data), ("a.png", picture(4))])
    archive.tags("00000", {"dir/b": ["bus", "red "], "a": []}, {"dir/b": "a red bus"})
    counts, rows, rejects = manifest(plan)
    assert list(rows) == ["dir/b", "a"]  # in tar order
    row = rows["dir/b"]
    assert row["media_id"] == media_id(data)
    assert (row["width"], row["height"], row["format"]) == (50, 40, "JPEG")
    assert (row["tags"], row["caption"]) == (["bus", "red"], "a red bus")
    assert path.read_bytes()[row["offset_bytes"] :][: row["size_bytes"]] == data
    assert rows["a"]["caption"] is None
    assert len(row["phash"]) == 16
    assert (counts.made, counts.notes, rejects) == (2, [], {})


def test_links_absolute_names_and_climbing_names_are_ignored_and_counted(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.shard(
        "00000",
        [
            ("good.png", picture(1)),
            header("link.png", tarfile.SYMTYPE, "/etc/passwd"),
            header("hard.png", tarfile.LNKTYPE, "good.png"),
            header("dir", tarfile.DIRTYPE),
            ("/abs.png", picture(2)),
            ("../up.png", picture(3)),
            ("a/../../up.png", picture(4)),
            ("note.txt", b"hello"),
        ],
    )
    archive.tags("00000", {"good": ["x"]})
    counts, rows, _ = manifest(plan)
    assert list(rows) == ["good"]
    assert (counts.taken, counts.ignored) == (1, 7)
    assert "2 members ignored: link" in counts.notes
    assert "2 members ignored: name with .." in counts.notes
    assert "1 members ignored: absolute name" in counts.notes


def test_interleaved_members_find_their_tags(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard(
        "00000",
        [("a.png", picture(1)), ("b.png", picture(2)), ("a.txt", b""), ("c.png", picture(3)), ("b.txt", b"")],
    )
    archive.tags("00000", {"c": ["C"], "b": ["B"], "a": ["A"]})
    _, rows, _ = manifest(plan)
    assert {key: row["tags"] for key, row in rows.items()} == {"a": ["A"], "b": ["B"], "c": ["C"]}


def test_of_a_key_that_is_there_twice_the_first_is_kept(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("a.png", picture(1)), ("a.jpg", picture(2, form="JPEG"))])
    archive.tags("00000", {"a": ["x"]})
    counts, rows, rejects = manifest(plan)
    assert rows["a"]["format"] == "PNG"
    assert "same key" in rejects["a"]["reason"]
    assert (counts.taken, counts.made, counts.rejected) == (2, 1, 1)


def test_equal_bytes_under_two_keys_are_kept_once_with_the_tags_of_both(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.shard("00000", [("a.png", picture(1)), ("b.png", picture(1)), ("c.png", picture(2))])
    archive.tags("00000", {"a": ["x", "y"], "b": ["y", "z"], "c": ["w"]}, {"b": "the caption"})
    counts, rows, rejects = manifest(plan)
    assert set(rows) == {"a", "c"}
    assert rows["a"]["tags"] == ["x", "y", "z"]
    assert rows["a"]["caption"] == "the caption"
    assert rejects["b"]["stage"] == "duplicate"
    assert "same bytes as a" in rejects["b"]["reason"]
    assert (counts.taken, counts.made, counts.duplicates, counts.rejected) == (3, 2, 1, 0)


def test_images_without_tags_and_tags_without_images_are_told(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("a.png", picture(1)), ("b.png", picture(2))])
    archive.tags("00000", {"a": ["x"], **{f"ghost{i}": ["g"] for i in range(5)}})
    counts, rows, _ = manifest(plan)
    assert rows["b"]["tags"] == []
    assert "1 images have no row in the tags table" in counts.notes
    assert "5 keys of the tags table match no image: ghost0, ghost1, ghost2, ..." in counts.notes


def test_keys_that_match_nothing_at_all_leave_images_without_tags(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.shard("00000", [("a.png", picture(1))])
    archive.tags("00000", {"ghost": ["g"]})
    counts, rows, _ = manifest(plan)
    assert rows["a"]["tags"] == []
    assert "1 keys of the tags table match no image: ghost" in counts.notes


def test_bad_images_are_rejects_and_odd_ones_are_not(plan: PipelinePlan, archive: Archive) -> None:
    stream = io.BytesIO()
    Image.new("CMYK", (30, 20), (0, 255, 255, 0)).save(stream, "JPEG")
    sixteen = encoded(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    frames = [np.full((10, 12, 3), shade, np.uint8) for shade in (0, 200)]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=[Image.fromarray(frames[1])])
    archive.shard(
        "00000",
        [
            ("zero.jpg", b""),
            ("bomb.png", bomb()),
            ("text.jpg", b"this is no image"),
            ("stub.jpg", picture(1, form="JPEG")[:40]),
            ("wrong.jpg", picture(2, form="PNG")),
            ("cmyk.jpg", stream.getvalue()),
            ("sixteen.png", sixteen),
            ("animated.gif", animated),
            ("thin.png", picture(3, 1, 40)),
        ],
    )
    archive.tags("00000", {})
    counts, rows, rejects = manifest(plan)
    assert set(rows) == {"wrong", "cmyk", "sixteen", "animated", "thin"}
    assert rows["wrong"]["format"] == "PNG"
    assert (rows["thin"]["width"], rows["thin"]["height"]) == (1, 40)
    assert set(rejects) == {"zero", "bomb", "text", "stub"}
    assert "empty" in rejects["zero"]["reason"]
    assert "larger than allowed" in rejects["bomb"]["reason"]
    assert all(row["stage"] == "decode" for row in rejects.values())
    assert counts.taken == 9


def test_a_file_above_the_limit_is_rejected_unread(archive: Archive, settings_file: Path) -> None:
    settings_file.write_text(settings_file.read_text() + "[images]\nmax_bytes = 300\n")
    archive.shard("00000", [("big.png", b"x" * 301), ("a.png", picture(1, 8, 8))])
    archive.tags("00000", {})
    _, rows, rejects = manifest(plan_of(Settings.load(settings_file)))
    assert set(rows) == {"a"}
    assert "301 bytes" in rejects["big"]["reason"]


def test_an_empty_tar_is_an_empty_manifest(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [])
    archive.tags("00000", {})
    counts, rows, _ = manifest(plan)
    assert (counts.taken, rows) == (0, {})


@pytest.mark.parametrize("left", [0, 100, 700, 1500])
def test_a_truncated_tar_fails_its_shard_and_leaves_nothing(
    plan: PipelinePlan, archive: Archive, left: int
) -> None:
    path = archive.shard("00000", [("a.png", os.urandom(600)), ("b.png", os.urandom(600))])
    archive.tags("00000", {})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(BadShardError, match=r"00000\.tar"):
        SourceImagesWorker(plan)("00000")
    tables = plan.layout.source(plan.model_id)
    assert not tables.images("00000").exists()
    assert not tables.rejects("00000").exists()


def test_a_missing_tar_names_the_shard_and_its_settings(plan: PipelinePlan, archive: Archive) -> None:
    archive.tags("00007", {})
    with pytest.raises(MissingInputError, match=r"00007\.tar is not there: shard 00007 .*first_shard"):
        SourceImagesWorker(plan)("00007")


def test_missing_tags_name_the_file_and_its_columns(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("a.png", picture(1))])
    with pytest.raises(BadTagsError, match=r"tags/00000\.parquet is not there.*key: string"):
        SourceImagesWorker(plan)("00000")


def test_tags_of_other_columns_are_refused(plan: PipelinePlan, archive: Archive) -> None:
    import pyarrow as pa

    archive.shard("00000", [("a.png", picture(1))])
    path = archive.tags("00000", {})
    pq.write_table(pa.table({"name": ["a"], "labels": ["x"]}), path)
    with pytest.raises(BadTagsError, match=r"name: string, labels: string"):
        SourceImagesWorker(plan)("00000")


def test_a_second_run_resumes_and_touches_nothing(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000")
    first = SourceImagesWorker(plan)("00000")
    before = snapshot(archive.data)
    second = SourceImagesWorker(plan)("00000")
    assert snapshot(archive.data) == before
    assert (first.resumed, second.resumed) == (0, 1)
    assert (second.taken, second.made) == (first.taken, first.made)


def test_a_changed_tar_changed_tags_or_changed_limits_are_read_again(
    plan: PipelinePlan, archive: Archive
) -> None:
    worker = SourceImagesWorker(plan)
    archive.simple("00000", 3)
    worker("00000")
    archive.simple("00000", 4)
    assert worker("00000").made == 4
    archive.tags("00000", {"k000": ["new"]})
    assert worker("00000").resumed == 0
    assert worker("00000").resumed == 1
    smaller = replace(plan, limits=replace(plan.limits, min_side_px=60))
    assert SourceImagesWorker(smaller)("00000").rejected == 4


def test_a_run_killed_between_its_two_tables_is_made_again(plan: PipelinePlan, archive: Archive) -> None:
    worker, tables = SourceImagesWorker(plan), plan.layout.source(plan.model_id)
    archive.simple("00000", 3)
    worker("00000")
    old = tables.images("00000").read_bytes()
    archive.simple("00000", 4)
    worker("00000")
    tables.images("00000").write_bytes(old)  # as if killed after the rejects, then the tar was put back
    archive.simple("00000", 3)
    assert worker("00000").resumed == 0
    stamps = [read_stamp(path("00000")) for path in (tables.images, tables.rejects)]
    assert stamps[0]
    assert stamps[1]
    assert stamps[0].fingerprint == stamps[1].fingerprint


def test_an_unwritable_root_is_named(archive: Archive, settings_file: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a directory should be")
    settings_file.write_text(
        settings_file.read_text().replace("[paths]", '[paths]\nsource_processed = "blocked"')
    )
    archive.simple("00000", 1)
    with pytest.raises(UnwritableRootError, match=r"blocked.*\[paths\]"):
        SourceImagesWorker(plan_of(Settings.load(settings_file)))("00000")
