"""Ten thousand files in one folder, through every step and check of a run."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import count_rows
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.defs.indexed_room import indexed_room
from autotag_tests.defs.test_runs import Room, checked, materialised

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]

FILES = 10_000
COPIES = 1_000
STEPS = ("target_images", "target_crops", "target_embeddings", "folder_tags")


@pytest.fixture
def room(settings_file: Path, archive: Archive) -> Iterator[Room]:
    """Every folder in process, in chunks and batches of the default size."""
    text = settings_file.read_text(encoding="utf-8").replace(
        "chunk_files = 4", f"in_process_below = {2 * FILES}"
    )
    settings_file.write_text(text.replace("batch_images = 4", ""), encoding="utf-8")
    with indexed_room(settings_file, archive) as room:
        yield room


def make_folder(folders: Folders) -> Path:
    """`FILES` names; the last `COPIES` are the first files again, by another name."""
    different = {f"p{number:05d}.png": picture(100 + number, 32, 24) for number in range(FILES - COPIES)}
    path = folders.make("all", different)
    for number in range(COPIES):
        os.link(path / f"p{number:05d}.png", path / f"q{number:05d}.png")
    return path


def test_a_folder_of_ten_thousand_files_is_tagged_and_all_counts_close(
    room: Room, folders: Folders, plan: PipelinePlan
) -> None:
    path = make_folder(folders)
    result = room.tag_folder("all")
    assert result.success
    assert all(each.passed for each in checked(result).values())
    for step in STEPS:
        facts = materialised(result, step)["all"]
        assert (facts["in"], facts["out"], facts.get("rejected", 0)) == (FILES, FILES, 0), step
    tables = plan.layout.folder_tables("all")
    assert FILES < count_rows(tables.regions) == count_rows(tables.embeddings) <= 2 * FILES
    entries = json.loads(tables.tags.read_text(encoding="utf-8"))["images"]
    assert [entry["file"] for entry in entries] == sorted(file.name for file in path.iterdir())
    assert len(entries) == FILES
    assert all(entry["tags"] for entry in entries)
    of_file = {entry["file"]: entry["tags"] for entry in entries}
    for number in range(COPIES):
        assert of_file[f"p{number:05d}.png"] == of_file[f"q{number:05d}.png"]
