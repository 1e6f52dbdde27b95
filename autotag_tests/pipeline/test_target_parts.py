"""Parts of a folder's tables: of killed runs, other chunks and other settings."""

from dataclasses import replace

import pytest

from autotag.errors import PermanentError
from autotag.models.fakes import magic_image
from autotag.pipeline.cut_target_crops import TargetCropsWorker, finish_target_crops
from autotag.pipeline.embed_target import TargetEmbeddingsWorker
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.target_parts import Chunk, ChunkFiles, chunks_of
from autotag_tests.conftest import Folders, encoded, picture
from autotag_tests.pipeline.target_steps import FORM, process


def test_parts_of_another_chunk_size_are_never_taken_for_ones_own(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 10)
    list_target_images(plan, "f")
    for chunk in chunks_of(plan, "f", 3):
        TargetCropsWorker(plan, FORM)(chunk.unit)
    made = process(plan, "f", chunk_files=6)
    assert (made.crops.taken, made.crops.made) == (10, 10)


def test_a_folder_that_changes_between_chunks_is_not_joined(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 6)
    list_target_images(plan, "f")
    chunks = chunks_of(plan, "f", 4)
    TargetCropsWorker(plan, FORM)(chunks[0].unit)
    folders.make("f", {"zz.png": picture(9)})
    list_target_images(plan, "f")
    TargetCropsWorker(plan, FORM)(chunks[1].unit)
    with pytest.raises(PermanentError, match="missing or stale"):
        finish_target_crops(plan, chunks, "f", form=FORM)
    assert process(plan, "f").crops.made == 7


def test_settings_that_are_tried_and_left_do_not_spoil_the_crops(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 4)
    made = process(plan, "f")
    other = replace(plan, rules=replace(plan.rules, min_area_px=17))
    TargetCropsWorker(other, FORM)(chunks_of(plan, "f", 4)[0].unit)  # killed here
    again = process(plan, "f")
    assert again.region_rows.equals(made.region_rows)


def test_leftovers_of_a_run_killed_while_it_tidied_up_go(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 4)
    process(plan, "f")
    tables = plan.layout.folder_tables("f")
    stale = ChunkFiles(tables.parts("target_crops"), Chunk("f", 0, 4))
    stale.rows.parent.mkdir(parents=True)
    stale.rows.write_bytes(b"half")
    stray = tables.crops / "p000.png" / ".001.jpg.tmp"
    stray.write_bytes(b"half")
    process(plan, "f")
    assert not stray.exists()


def test_a_chunks_name_carries_any_key() -> None:
    for key in ("a", "a#b#3", "#", "x#1#2"):
        chunk = Chunk(key, 8, 4)
        assert Chunk.of(chunk.unit) == chunk


def test_a_worker_that_is_asked_again_answers_from_the_joined_table(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 5)
    folders.make("f", {"bad.png": encoded(magic_image("embed_error"))})
    process(plan, "f")
    counts = TargetEmbeddingsWorker(plan)(Chunk("f", 0, 4).unit)
    assert (counts.taken, counts.made, counts.rejected, counts.resumed) == (4, 3, 1, 1)
    assert not plan.layout.folder_tables("f").parts("target_embeddings").exists()
