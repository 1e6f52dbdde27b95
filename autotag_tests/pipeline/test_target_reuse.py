"""What the target steps leave alone: only what is new or changed is read and computed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autotag.models.fakes import magic_image
from autotag.pipeline import cut_target_crops, embed_target
from autotag.pipeline.cut_target_crops import CropForm, TargetCropsWorker
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.target_parts import chunks_of
from autotag.settings import Settings
from autotag.storage.folder_files import read_file
from autotag_tests.conftest import Folders, encoded, picture, snapshot
from autotag_tests.pipeline.target_steps import FORM, crops, process, saved_crops


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which files the two steps read, as they do it."""
    found: list[tuple[str, str]] = []

    def reader(step: str):
        def read(folder, name: str, media: str = "") -> bytes:
            found.append((step, name))
            return read_file(folder, name, media)

        return read

    monkeypatch.setattr(cut_target_crops, "read_file", reader("crops"))
    monkeypatch.setattr(embed_target, "read_file", reader("embeddings"))
    return found


def test_a_second_run_does_nothing_and_touches_nothing(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]]
) -> None:
    folders.simple("f", 6)
    folders.make("f", {"bad.png": encoded(magic_image("detect_error"))})
    first = process(plan, "f")
    reads.clear()
    before = snapshot(folders.data)
    second = process(plan, "f")
    assert reads == []
    assert {name for name, facts in snapshot(folders.data).items() if before.get(name) != facts} <= {
        "target_processed/f"  # parts came and went
    }
    assert (second.crops.resumed, second.embeddings.resumed) == (2, 2)
    assert (second.crops.made, second.crops.rejected) == (first.crops.made, first.crops.rejected)


def test_when_a_few_files_change_only_they_are_computed(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]]
) -> None:
    path = folders.simple("f", 30)
    process(plan, "f")
    reads.clear()
    (path / "p003.png").write_bytes(picture(77))  # changed
    (path / "p010.png").unlink()  # gone
    (path / "zz.png").write_bytes(picture(78))  # new
    (path / "a-first.png").write_bytes(picture(79))  # new, and every file after it moves to another chunk
    made = process(plan, "f")
    touched = ["a-first.png", "p003.png", "zz.png"]
    assert sorted(reads) == [(step, name) for step in ("crops", "embeddings") for name in touched]
    assert (made.crops.taken, made.crops.made, made.crops.reused) == (31, 31, 28)
    assert (made.embeddings.made, made.embeddings.reused) == (31, 28)
    assert not any(name.startswith("p010.png/") for name in saved_crops(plan, "f"))

    shutil.rmtree(folders.data / "target_processed")
    anew = process(plan, "f")
    assert anew.crops.reused == 0
    assert anew.region_rows.equals(made.region_rows)
    assert anew.embedding_rows.equals(made.embedding_rows)


def test_a_text_beside_the_images_costs_no_image_its_vectors(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]]
) -> None:
    folders.simple("f", 5)
    process(plan, "f")
    reads.clear()
    folders.make("f", {"notes.txt": b"hello"})
    made = process(plan, "f")
    assert reads == []
    assert (made.crops.reused, made.embeddings.reused) == (5, 5)


def test_rejects_are_tried_again_when_the_folder_changes(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]]
) -> None:
    folders.simple("f", 4)
    folders.make("f", {"bad.png": encoded(magic_image("detect_error"))})
    process(plan, "f")
    reads.clear()
    folders.make("f", {"new.png": picture(9)})
    assert process(plan, "f").crops.rejected == 1
    assert ("crops", "bad.png") in reads


@pytest.mark.parametrize("what", ["rules", "form"])
def test_other_settings_are_computed_again(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]], what: str
) -> None:
    folders.simple("f", 4)
    process(plan, "f")
    reads.clear()
    if what == "form":
        list_target_images(plan, "f")
        assert crops(plan, "f", form=CropForm(16, 50)).reused == 0
        assert [step for step, _ in reads] == ["crops"] * 4
    else:
        none = process(replace(plan, rules=replace(plan.rules, max_regions=0)), "f")
        assert (none.crops.reused, none.crops.regions, none.embeddings.regions) == (0, 4, 4)
        assert saved_crops(plan, "f") == []


def test_another_embedder_keeps_regions_but_no_vectors(
    plan: PipelinePlan,
    folders: Folders,
    reads: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    from autotag.pipeline import plan as plans

    folders.simple("f", 4)
    process(plan, "f")
    reads.clear()
    monkeypatch.setattr(plans, "embedder_fingerprint", lambda spec: "other-1-p1")
    process(plan_of(settings), "f")
    assert [step for step, _ in reads] == ["embeddings"] * 4


def test_a_run_killed_between_chunks_goes_on_where_it_was(
    plan: PipelinePlan, folders: Folders, reads: list[tuple[str, str]]
) -> None:
    folders.simple("f", 10)
    list_target_images(plan, "f")
    chunks = chunks_of(plan, "f", 4)
    assert [(chunk.first, chunk.size) for chunk in chunks] == [(0, 4), (4, 4), (8, 4)]
    TargetCropsWorker(plan, FORM)(chunks[1].unit)
    reads.clear()
    made = process(plan, "f")
    assert [name for step, name in reads if step == "crops"] == [f"p{i:03d}.png" for i in (0, 1, 2, 3, 8, 9)]
    assert made.crops.made == 10


def test_a_damaged_table_of_before_is_computed_again(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 4)
    made = process(plan, "f")
    path = Path(plan.layout.folder_tables("f").embeddings.path)
    data = bytearray(path.read_bytes())
    data[4:600] = bytes(596)  # the footer stays whole
    path.write_bytes(data)
    folders.make("f", {"zz.png": picture(9)})
    again = process(plan, "f")
    assert again.embeddings.reused == 0
    assert again.embedding_rows.slice(0, 8).equals(made.embedding_rows)
