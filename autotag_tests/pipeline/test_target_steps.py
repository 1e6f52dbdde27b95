"""target_crops and target_embeddings: what they make of a folder."""

import io
import shutil
from dataclasses import replace

import numpy as np
from PIL import Image

from autotag.domain.identity import folder_key
from autotag.domain.vectors import vectors_from_arrow
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Folders, encoded, picture, snapshot
from autotag_tests.pipeline.target_steps import process, saved_crops
from autotag_tests.pipeline.test_list_target_images import ODD_NAMES


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


def test_threads_and_chunk_sizes_change_nothing_in_the_rows(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 11)
    made = process(plan, "f")
    shutil.rmtree(folders.data / "target_processed")
    again = process(replace(plan, threads=3, batch_images=3), "f", chunk_files=100)
    assert again.region_rows.equals(made.region_rows)
    assert again.embedding_rows.equals(made.embedding_rows)


def test_the_tables_are_stamped(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    tables = plan.layout.folder_tables("f")
    for path, name in ((tables.regions, "target_crops"), (tables.embeddings, "target_embeddings")):
        stamp = read_stamp(path)
        assert stamp is not None
        assert (stamp.table, stamp.model_id, stamp.extra["counts"]["made"]) == (name, plan.model_id, 2)
