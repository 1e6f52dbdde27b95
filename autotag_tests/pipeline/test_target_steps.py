"""target_crops and target_embeddings: what they make, and what they leave alone."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotag.domain.identity import folder_key
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.models.fakes import magic_image
from autotag.pipeline import cut_target_crops, embed_target
from autotag.pipeline.cut_target_crops import CropForm, TargetCropsWorker, finish_target_crops
from autotag.pipeline.embed_target import TargetEmbeddingsWorker
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.target_parts import Chunk, ChunkFiles, chunks_of
from autotag.settings import Settings
from autotag.storage.folder_files import read_file
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Folders, encoded, picture, snapshot
from autotag_tests.pipeline.target_steps import FORM, crops, embeddings, process, saved_crops
from autotag_tests.pipeline.test_list_target_images import ODD_NAMES


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


def rejects(plan: PipelinePlan, key: str, step: str) -> dict[str, str]:
    tables = plan.layout.folder_tables(key)
    path = tables.region_rejects if step == "crops" else tables.embedding_rejects
    return {row["key"]: row["stage"] for row in read_table(path).to_pylist()}


def test_every_image_has_regions_crops_and_vectors(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 6)
    made = process(plan, "f")
    assert (made.crops.made, made.crops.regions, made.embeddings.regions) == (6, 12, 12)
    assert made.region_rows["file"].to_pylist() == [f"p{i:03d}.png" for i in range(6) for _ in range(2)]
    assert made.region_rows["crop_file"].to_pylist()[0] is None
    assert np.allclose(
        np.linalg.norm(vectors_from_arrow(made.embedding_rows["embedding"]), axis=1), 1, atol=1e-5
    )
    shared = ["file", "region_id", "box_xyxy_px", "area_px", "score"]
    assert made.embedding_rows.select(shared).equals(made.region_rows.select(shared))


def test_a_crop_shows_its_box_no_larger_than_asked(plan: PipelinePlan, folders: Folders) -> None:
    pixels = np.full((300, 400, 3), 128, np.uint8)
    pixels[50:250, 100:200] = (220, 20, 20)
    folders.make("f", {"a.png": encoded(pixels)})
    made = process(plan, "f")
    row = made.region_rows.to_pylist()[1]
    x0, y0, x1, y1 = row["box_xyxy_px"]
    data = (plan.layout.folder_tables("f").crops / row["crop_file"]).read_bytes()
    with Image.open(io.BytesIO(data)) as crop:
        assert crop.format == "JPEG"
        assert max(crop.size) == 64
        assert abs(crop.size[0] / crop.size[1] - (x1 - x0) / (y1 - y0)) < 0.05
        assert np.abs(np.asarray(crop)[20, 15].astype(int) - (220, 20, 20)).max() < 12


def test_two_files_of_one_stem_never_collide(plan: PipelinePlan, folders: Folders) -> None:
    folders.make(
        "f", {"a.jpg": picture(0, form="JPEG"), "a.png": picture(1), "a": picture(2), "a.png.jpg": picture(3)}
    )
    made = process(plan, "f")
    assert len({name.partition("/")[0] for name in saved_crops(plan, "f")}) == 4
    assert made.crops.regions == 8


def test_an_empty_folder_makes_empty_tables(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {"notes.txt": b"hello"})
    made = process(plan, "f")
    assert (made.crops.taken, made.region_rows.num_rows, made.embedding_rows.num_rows) == (0, 0, 0)


def test_odd_names_survive_every_step(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("Ä,b...c", {name: picture(number) for number, name in enumerate(ODD_NAMES)})
    made = process(plan, folder_key("Ä,b...c"))
    assert (made.crops.made, made.embeddings.made) == (len(ODD_NAMES), len(ODD_NAMES))


def test_nested_folders_of_reserved_names_keep_their_results_apart(
    plan: PipelinePlan, folders: Folders
) -> None:
    paths = [
        "a",
        "a/segmentation",
        "a/segmentation/crops",
        "a/embeddings",
        "a/tags.json",
        "a/images.parquet",
        "a/.parts",
    ]
    for number, path in enumerate(paths):
        folders.make(path, {f"n{number}.png": picture(number)})
    for path in [*paths, *reversed(paths)]:
        process(plan, path)
    for number, path in enumerate(paths):
        assert read_table(plan.layout.folder_tables(path).embeddings)["file"][0].as_py() == f"n{number}.png"
        assert saved_crops(plan, path)[0].startswith(f"n{number}.png/")


def test_nothing_is_written_below_the_target(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 3)
    folders.simple("f/sub", 2)
    before = snapshot(folders.data / "target")
    process(plan, "f")
    process(plan, "f/sub")
    assert snapshot(folders.data / "target") == before


@pytest.mark.parametrize("step", ["detect", "embed"])
def test_an_image_a_model_fails_on_is_a_reject(plan: PipelinePlan, folders: Folders, step: str) -> None:
    folders.simple("f", 5)
    folders.make("f", {"bad.png": encoded(magic_image(f"{step}_error"))})  # type: ignore[arg-type]
    made = process(plan, "f")
    in_step = "crops" if step == "detect" else "embeddings"
    assert rejects(plan, "f", in_step) == {"bad.png": step}
    assert (made.crops.rejected, made.embeddings.rejected) == ((1, 0) if step == "detect" else (0, 1))


def test_a_file_that_goes_between_manifest_and_crops_is_a_reject(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    (path / "p002.png").unlink()
    counts = crops(plan, "f")
    assert (counts.taken, counts.made, counts.rejected) == (5, 4, 1)
    assert rejects(plan, "f", "crops") == {"p002.png": "read"}


def test_a_file_that_goes_between_crops_and_embeddings_is_a_reject(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    crops(plan, "f")
    (path / "p002.png").unlink()
    counts = embeddings(plan, "f")
    assert (counts.taken, counts.made, counts.rejected) == (5, 4, 1)
    assert rejects(plan, "f", "embeddings") == {"p002.png": "read"}


def test_a_folder_deleted_midway_fails_in_words(plan: PipelinePlan, folders: Folders) -> None:
    path = folders.simple("f", 5)
    list_target_images(plan, "f")
    shutil.rmtree(path)
    with pytest.raises(PermanentError, match="removed while it was being processed"):
        crops(plan, "f")
    with pytest.raises(MissingInputError, match="is not there"):
        list_target_images(plan, "f")


def test_missing_upstream_tables_name_what_to_do(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 1)
    with pytest.raises(MissingInputError, match="materialise target_images of f first"):
        crops(plan, "f")
    list_target_images(plan, "f")
    with pytest.raises(MissingInputError, match="materialise target_crops of f first"):
        embeddings(plan, "f")


def test_regions_of_an_earlier_state_of_the_folder_are_refused(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    folders.simple("f", 3)
    list_target_images(plan, "f")
    with pytest.raises(
        MissingInputError, match=r"earlier state of the folder; materialise target_crops of f again"
    ):
        embeddings(plan, "f")


def test_regions_of_another_detector_are_refused(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    settings_file.write_text(settings_file.read_text().replace('detector = "fake"', 'detector = "whole"'))
    with pytest.raises(ModelMismatchError, match="materialise target_crops of f again"):
        embeddings(plan_of(Settings.load(settings_file)), "f")


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


def test_threads_and_chunk_sizes_change_nothing_in_the_rows(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 11)
    made = process(plan, "f")
    shutil.rmtree(folders.data / "target_processed")
    again = process(replace(plan, threads=3, batch_images=3), "f", chunk_files=100)
    assert again.region_rows.equals(made.region_rows)
    assert again.embedding_rows.equals(made.embedding_rows)


def test_a_chunks_name_carries_any_key() -> None:
    for key in ("a", "a#b#3", "#", "x#1#2"):
        chunk = Chunk(key, 8, 4)
        assert Chunk.of(chunk.unit) == chunk


def test_the_tables_are_stamped(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    tables = plan.layout.folder_tables("f")
    for path, name in ((tables.regions, "target_crops"), (tables.embeddings, "target_embeddings")):
        stamp = read_stamp(path)
        assert stamp is not None
        assert (stamp.table, stamp.model_id, stamp.extra["counts"]["made"]) == (name, plan.model_id, 2)


def test_a_worker_that_is_asked_again_answers_from_the_joined_table(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 5)
    folders.make("f", {"bad.png": encoded(magic_image("embed_error"))})
    process(plan, "f")
    counts = TargetEmbeddingsWorker(plan)(Chunk("f", 0, 4).unit)
    assert (counts.taken, counts.made, counts.rejected, counts.resumed) == (4, 3, 1, 1)
    assert not plan.layout.folder_tables("f").parts("target_embeddings").exists()
