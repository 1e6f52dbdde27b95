import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from autotag.domain.identity import folder_key, media_id
from autotag.errors import MissingInputError, UnwritableRootError
from autotag.pipeline import list_target_images as module
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage.folder_files import list_files, read_file
from autotag.storage.tables import is_current, read_stamp, read_table, write_table
from autotag_tests.conftest import Folders, bomb, picture, snapshot

ODD_NAMES = [
    "line\nbreak.png",
    "-rf.png",
    "quote'\".png",
    "sp ace.png",
    "naïve-猫🦊.png",
    "%2e%2e.png",
    "a...b.png",
    "star*[1]?.png",
    "~home.png",
    "file:x.png",
    "#hash.png",
    "back\\slash.png",
    "x" * 250 + ".png",
]


def rows(plan: PipelinePlan, key: str) -> dict[str, dict]:
    return {row["file"]: row for row in read_table(plan.layout.folder_tables(key).images).to_pylist()}


def rejects(plan: PipelinePlan, key: str) -> dict[str, str]:
    found = read_table(plan.layout.folder_tables(key).rejects).to_pylist()
    return {row["key"]: f"{row['stage']}: {row['reason']}" for row in found}


def test_a_row_tells_what_lies_in_the_folder(plan: PipelinePlan, folders: Folders) -> None:
    data = picture(1, 50, 40, "JPEG")
    path = folders.make("f", {"b.jpg": data, "a.png": picture(2)})
    counts = list_target_images(plan, "f")
    assert list(rows(plan, "f")) == ["a.png", "b.jpg"]
    row = rows(plan, "f")["b.jpg"]
    assert row["media_id"] == media_id(data)
    assert (row["width"], row["height"], row["format"], row["size_bytes"]) == (50, 40, "JPEG", len(data))
    assert row["mtime_ns"] == (path / "b.jpg").stat().st_mtime_ns
    assert (counts.taken, counts.made, counts.rejected, counts.ignored) == (2, 2, 0, 0)


def test_an_empty_folder_is_an_empty_manifest(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {})
    assert list_target_images(plan, "f").taken == 0
    assert rows(plan, "f") == {}


def test_a_folder_that_is_not_there_is_named(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match=r"target/gone is not there"):
        list_target_images(plan, "gone")


def test_a_file_in_the_place_of_a_folder_is_named(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {"a.png": picture(1)})
    with pytest.raises(MissingInputError, match=r"a\.png is not there"):
        list_target_images(plan, "f/a.png")


def test_what_is_named_as_an_image_but_is_none_is_a_reject_and_the_rest_is_ignored(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.make(
        "f",
        {
            "good.png": picture(1),
            "zero.jpg": b"",
            "text.JPG": b"hello",
            "bomb.png": bomb(),
            "cut.jpg": picture(2, form="JPEG")[:300],
            "notes.txt": b"hello",
            "movie.mp4": os.urandom(2000),
            "noextension": b"",
            "hidden-image": picture(3),
            "wrong.jpg": picture(4, form="WEBP"),
        },
    )
    counts = list_target_images(plan, "f")
    assert set(rows(plan, "f")) == {"good.png", "hidden-image", "wrong.jpg"}
    assert set(rejects(plan, "f")) == {"zero.jpg", "text.JPG", "bomb.png", "cut.jpg"}
    assert (counts.taken, counts.made, counts.rejected, counts.ignored) == (7, 3, 4, 3)


def test_hidden_files_links_and_subfolders_are_left_out(plan: PipelinePlan, folders: Folders) -> None:
    path = folders.make("f", {"a.png": picture(1), ".hidden.png": picture(2)})
    folders.make("f/sub", {"b.png": picture(3)})
    (path / "link.png").symlink_to(path / "a.png")
    (path / "dangling.png").symlink_to(path / "nowhere.png")
    (path / "folder.png").mkdir()
    os.mkfifo(path / "pipe.png")
    assert list_target_images(plan, "f").taken == 1
    assert set(rows(plan, "f")) == {"a.png"}
    assert list_target_images(plan, "f/sub").made == 1


def test_odd_names_are_only_names(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {name: picture(number) for number, name in enumerate(ODD_NAMES)})
    assert list_target_images(plan, "f").made == len(ODD_NAMES)
    assert set(rows(plan, "f")) == set(ODD_NAMES)


def test_a_name_that_is_no_utf8_is_a_reject_with_a_remedy(plan: PipelinePlan, folders: Folders) -> None:
    path = folders.make("f", {"a.png": picture(1)})
    (path / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(2))
    counts = list_target_images(plan, "f")
    assert (counts.made, counts.rejected) == (1, 1)
    assert rejects(plan, "f") == {r"caf\xe9.png": "read: the name is not UTF-8; rename the file"}
    assert list_target_images(plan, "f").resumed == 1


@pytest.mark.parametrize(
    "name", ["Weiße Nächte/猫, 2024", "a...b", "line\nbreak", "50%", "x[1]*?", "-rf", "q'\""]
)
def test_nested_and_oddly_named_folders_have_their_own_results(
    plan: PipelinePlan, folders: Folders, name: str
) -> None:
    folders.make(name, {"a.png": picture(1)})
    assert list_target_images(plan, folder_key(name)).made == 1
    assert (folders.data / "target_processed" / name / "images.parquet").is_file()


def test_a_folder_whose_name_is_no_utf8_works(plan: PipelinePlan, folders: Folders) -> None:
    name = os.fsdecode(b"caf\xe9")
    folders.make(name, {"a.png": picture(1)})
    key = folder_key(name)
    key.encode()
    assert list_target_images(plan, key).made == 1


def test_a_second_run_resumes_and_touches_nothing(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    list_target_images(plan, "f")
    before = snapshot(folders.data)
    counts = list_target_images(plan, "f")
    assert (counts.resumed, counts.made) == (1, 3)
    assert snapshot(folders.data) == before


def test_only_what_changed_is_read_again(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders.simple("f", 4)
    list_target_images(plan, "f")
    read: list[str] = []
    real = read_file
    monkeypatch.setattr(module, "read_file", lambda folder, name: read.append(name) or real(folder, name))
    (path / "p001.png").write_bytes(picture(9))
    os.utime(path / "p001.png", (1, 1))
    (path / "new.png").write_bytes(picture(10))
    (path / "p000.png").unlink()
    counts = list_target_images(plan, "f")
    assert sorted(read) == ["new.png", "p001.png"]
    assert (counts.taken, counts.made, counts.reused) == (4, 4, 2)
    assert set(rows(plan, "f")) == {"new.png", "p001.png", "p002.png", "p003.png"}


def test_other_limits_are_judged_anew(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    list_target_images(plan, "f")
    strict = replace(plan, limits=replace(plan.limits, min_side_px=60))
    counts = list_target_images(strict, "f")
    assert (counts.rejected, counts.reused) == (2, 0)


def test_a_damaged_manifest_is_made_again(plan: PipelinePlan, folders: Folders) -> None:
    path = folders.simple("f", 2)
    list_target_images(plan, "f")
    table = Path(plan.layout.folder_tables("f").images.path)
    data = bytearray(table.read_bytes())
    data[4:400] = bytes(396)  # the footer stays whole
    table.write_bytes(data)
    (path / "new.png").write_bytes(picture(7))
    assert list_target_images(plan, "f").made == 3
    assert len(rows(plan, "f")) == 3


def test_nothing_is_written_below_the_target(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    before = snapshot(folders.data / "target")
    list_target_images(plan, "f")
    assert snapshot(folders.data / "target") == before


def test_a_file_that_goes_while_the_folder_is_read_is_a_reject(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders.simple("f", 3)
    real = list_files

    def listed(folder):
        found = real(folder)
        (path / "p001.png").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(module, "list_files", listed)
    counts = list_target_images(plan, "f")
    assert (counts.made, counts.rejected) == (2, 1)
    assert "No such file" in rejects(plan, "f")["p001.png"]


def test_an_unwritable_root_is_named(folders: Folders, settings_file: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("")
    settings_file.write_text(
        settings_file.read_text().replace("[paths]", '[paths]\ntarget_processed = "blocked"')
    )
    folders.simple("f", 1)
    with pytest.raises(UnwritableRootError, match="blocked"):
        list_target_images(plan_of(Settings.load(settings_file)), "f")


@pytest.mark.slow
def test_ten_thousand_files_are_listed_in_time(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {f"{number:05d}.png": picture(number, 8, 6) for number in range(10_000)})
    started = time.perf_counter()
    assert list_target_images(plan, "f").made == 10_000
    cold_s = time.perf_counter() - started
    (folders.data / "target" / "f" / "new.png").write_bytes(picture(1))
    started = time.perf_counter()
    assert list_target_images(plan, "f").reused == 10_000
    warm_s = time.perf_counter() - started
    print(f"10,000 files: {cold_s:.1f} s, after one more file {warm_s:.1f} s")  # noqa: T201
    assert cold_s < 120
    assert warm_s < 15


def dated(number: int, date: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = date
    return picture(number, form="JPEG", exif=exif)


def test_a_row_says_when_the_photograph_was_taken_where_the_file_does(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.make("f", {"a.jpg": dated(1, "2019:05:04 12:33:21"), "b.jpg": picture(2, form="JPEG")})
    list_target_images(plan, "f")
    assert rows(plan, "f")["a.jpg"]["taken_at"] == datetime(2019, 5, 4, 12, 33, 21, tzinfo=UTC)
    assert rows(plan, "f")["b.jpg"]["taken_at"] is None


def test_a_manifest_of_earlier_columns_is_made_anew_and_what_was_made_from_it_stays_up_to_date(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.make("f", {"a.jpg": dated(1, "2019:05:04 12:33:21"), "b.png": picture(2)})
    list_target_images(plan, "f")
    path = plan.layout.folder_tables("f").images
    whole, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    earlier = whole.drop_columns(["taken_at"])
    write_table(path, earlier, earlier.schema.remove_metadata(), stamp)
    counts = list_target_images(plan, "f")
    assert (counts.made, counts.reused, counts.resumed) == (2, 0, 0)
    assert read_table(path).equals(whole)
    assert is_current(path, stamp.fingerprint)
