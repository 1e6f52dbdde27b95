"""A folder that nobody may write to is tagged all the same, and nothing in it changes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, Folders
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.test_runs import Room, materialised

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

IMAGES = 10


@pytest.fixture
def room(settings_file: Path, archive: Archive) -> Iterator[Room]:
    with indexed_room(settings_file, archive) as room:
        yield room


@pytest.fixture
def read_only(folders: Folders) -> Iterator[Path]:
    """Below the target root, which is read only itself: pictures, a broken one, no picture, and an inner folder."""
    folder = folders.simple("birds", IMAGES)
    folders.make("birds", {"broken.jpg": b"no picture", "notes.txt": b"mine"})
    folders.simple("birds/inner", 2)
    target = folder.parent
    everything = [target, *target.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield target
    for path in everything:
        path.chmod(0o755 if path.is_dir() else 0o644)


def state(directory: Path) -> dict[str, tuple[int, ...]]:
    """Everything below a directory, itself included: what a change of content, name, time or mode would change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in [directory, *directory.rglob("*")]:
        at = path.lstat()
        found[str(path.relative_to(directory))] = (
            at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_mode, at.st_ino, at.st_nlink
        )  # fmt: skip
    return found


def test_a_whole_run_changes_nothing_below_the_target_root(
    room: Room, read_only: Path, plan: PipelinePlan
) -> None:
    before = state(read_only)
    assert len(before) == 1 + 1 + IMAGES + 2 + 1 + 2
    result = room.tag_folder("birds")
    assert result.success
    assert state(read_only) == before
    facts = materialised(result, "folder_tags")["birds"]
    assert (facts["images with tags"], facts["images without"]) == (IMAGES, 0)
    assert "data:image/jpeg;base64," in facts["contact sheet"]
    assert materialised(result, "target_images")["birds"]["rejected"] == 1
    if os.geteuid() != 0:  # root may write anywhere: there the state alone tells
        with pytest.raises(PermissionError):
            (read_only / "birds" / "new").touch()
