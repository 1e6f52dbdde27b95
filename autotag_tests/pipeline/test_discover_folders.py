import os
from pathlib import Path

import pytest
from upath import UPath

from autotag.domain.identity import folder_key
from autotag.pipeline.discover_folders import FoundFolder, find_folder, folder_paths, target_folder_paths
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.roots import layout_of
from autotag_tests.conftest import Folders, picture
from autotag_tests.pipeline.target_steps import write_tags


def found(plan: PipelinePlan, path: str) -> FoundFolder:
    folder = find_folder(plan.layout, path)
    assert folder is not None
    return folder


def test_folders_are_found_in_the_order_of_their_parts_without_hidden_ones_and_links(
    folders: Folders, tmp_path: Path
) -> None:
    for name in ("b", "a/c", "a b", "a/.hidden/x", ".git", "a-b"):
        folders.simple(name, 1)
    root = folders.data / "target"
    (root / "link").symlink_to(root / "b")
    (root / "file.txt").write_text("")
    paths = list(folder_paths(UPath(root)))
    assert paths == ["a", "a/c", "a b", "a-b", "b"]
    assert list(folder_paths(UPath(tmp_path / "nowhere"))) == []


def test_a_store_is_walked_in_the_same_order() -> None:
    root = UPath("memory://discover/target")
    for name in ("b", "a/c", "a b", "a/.hidden", "a-b"):
        (root / name).mkdir(parents=True)
        (root / name / "x.png").write_bytes(b"x")
    assert list(folder_paths(root)) == ["a", "a/c", "a b", "a-b", "b"]
    assert list(folder_paths(UPath("memory://discover/nowhere"))) == []


def test_a_folder_without_images_of_its_own_is_none(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("texts", {"a.txt": b"x"})
    folders.simple("outer/inner", 1)
    assert find_folder(plan.layout, "texts") is None
    assert find_folder(plan.layout, "outer") is None
    assert find_folder(plan.layout, "gone") is None
    assert found(plan, "outer/inner").key == folder_key("outer/inner")


def test_a_change_changes_the_signature_and_an_undone_one_the_version(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 2)
    first = found(plan, "f")
    assert found(plan, "f") == first
    (path / "new.png").write_bytes(picture(7))
    second = found(plan, "f")
    (path / "new.png").unlink()
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    third = found(plan, "f")
    assert first.signature == third.signature != second.signature
    assert len({first.version, second.version, third.version}) == 3


def test_a_folder_is_tagged_by_a_model_when_the_tags_are_of_its_present_state(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 2)
    list_target_images(plan, "f")
    assert found(plan, "f").tagged_by == ""
    write_tags(plan, "f", "some+model")
    assert found(plan, "f").tagged_by == "some+model"
    (path / "new.png").write_bytes(picture(7))
    assert found(plan, "f").tagged_by == ""


def test_tags_older_than_their_evidence_are_of_a_vote_that_did_not_end(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 2)
    list_target_images(plan, "f")
    write_tags(plan, "f", "some+model")
    tags = Path(plan.layout.folder_tables("f").tags.path)
    written = Path(plan.layout.folder_tables("f").evidence.path).stat().st_mtime_ns
    os.utime(tags, ns=(written - 1_000_000, written - 1_000_000))
    assert found(plan, "f").tagged_by == ""


@pytest.mark.parametrize(
    ("changed_s", "first_seen_s", "is_quiet"),
    [
        (100.0, 100.0, False),
        (90.5, 100.0, False),
        (90.0, 100.0, True),
        (0.0, 100.0, True),
        (100.5, 100.0, False),
        (5000.0, 91.0, False),
        (5000.0, 90.0, True),
    ],
)
def test_a_folder_is_quiet_when_nothing_changed_for_long_enough(
    changed_s: float, first_seen_s: float, is_quiet: bool
) -> None:
    """A change that is dated in the future counts from when it was first seen."""
    folder = FoundFolder("k", "s", "v", changed_s, "", "")
    assert folder.is_quiet(now_s=100.0, quiet_s=10.0, first_seen_s=first_seen_s) == is_quiet


def test_the_last_change_is_that_of_the_newest_file_or_of_the_folder(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 2)
    os.utime(path / "p000.png", (1000, 1000))
    os.utime(path / "p001.png", (2000, 2000))
    os.utime(path, (1500, 1500))
    assert found(plan, "f").changed_s == 2000
    os.utime(path, (3000, 3000))
    assert found(plan, "f").changed_s == 3000


def test_only_the_named_folder_and_those_below_it_are_in_use(settings_file: Path, folders: Folders) -> None:
    for path in ("trip", "trip/day 1", "trip2", "other/trip"):
        folders.simple(path, 1)
    every = layout_of(Settings.load(settings_file))
    assert list(target_folder_paths(every)) == ["other", "other/trip", "trip", "trip/day 1", "trip2"]
    only = layout_of(Settings.load(settings_file, {"target.only": "trip"}))
    assert list(target_folder_paths(only)) == ["trip", "trip/day 1"]
    gone = layout_of(Settings.load(settings_file, {"target.only": "nowhere"}))
    assert list(target_folder_paths(gone)) == []
