"""folder_medoid: medoid.json of a folder, and the CSV of all folders."""

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from autotag.domain.identity import folder_key, media_id
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.models import registry
from autotag.pipeline.find_medoid import COLUMNS, find_medoid
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.review.sheet.columns import unguarded
from autotag.settings import Settings
from autotag.storage.locks import held, medoids_lock
from autotag_tests.conftest import Folders, picture
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import damage_pages, process

REDS = {f"red{i}.png": coloured("red", i) for i in range(4)}


def document(plan: PipelinePlan, key: str) -> dict[str, Any]:
    return json.loads(plan.layout.folder_tables(key).medoid.read_text(encoding="utf-8"))


def rows(plan: PipelinePlan) -> list[list[str]]:
    return list(csv.reader(io.StringIO(plan.layout.medoids.read_bytes().decode(), newline="")))


def made(plan: PipelinePlan, folders: Folders, path: str, files: dict[str, bytes]) -> str:
    folders.make(path, files)
    key = folder_key(path)
    process(plan, key)
    find_medoid(plan, key)
    return key


def test_the_image_among_many_alike_stands_for_the_folder(plan: PipelinePlan, folders: Folders) -> None:
    key = made(plan, folders, "trip", {"blue.png": coloured("blue", 9), **REDS})
    told = document(plan, key)
    assert told["file"].startswith("red")
    assert told["media_id"] == media_id(REDS[told["file"]])
    assert (told["folder"], told["images"], told["model_id"]) == ("trip", 5, plan.model_id)
    assert 0.5 < told["cosine_to_centroid"] <= 1
    assert rows(plan) == [
        list(COLUMNS),
        ["trip", f"trip/{told['file']}", f"{told['cosine_to_centroid']:.6f}"],
    ]


def test_of_copies_the_first_by_name_is_taken(plan: PipelinePlan, folders: Folders) -> None:
    key = made(plan, folders, "f", {name: picture(0) for name in ("b.png", "a.png", "-z.png")})
    assert document(plan, key)["file"] == "-z.png"


def test_the_list_of_all_folders_is_in_order_and_survives_odd_names(
    plan: PipelinePlan, folders: Folders
) -> None:
    paths = ["z", "a,b", 'say "hi"', "-dash", "Ä ü/deep...er", "thumbnails", "z/thumbnails", "line\nbreak"]
    for path in paths:
        made(plan, folders, path, {"p,1.png": picture(1)})
    found = rows(plan)
    assert found[0] == list(COLUMNS)
    assert [unguarded(row[0]) for row in found[1:]] == sorted(paths)
    assert [unguarded(row[1]) for row in found[1:]] == [f"{path}/p,1.png" for path in sorted(paths)]
    assert plan.layout.medoids.read_bytes().count(b"\r\n") == len(paths) + 1


def test_a_folder_whose_name_begins_like_a_formula_is_none_for_a_spreadsheet(
    plan: PipelinePlan, folders: Folders
) -> None:
    for path in ("=1+1", "+a", "-b", "@c"):
        made(plan, folders, path, {"p.png": picture(1)})
    assert all(row[0][0] == row[1][0] == "'" for row in rows(plan)[1:])
    made(plan, folders, "=1+1", {"o.png": picture(2), "p.png": picture(1)})
    assert [row[0] for row in rows(plan)[1:]] == ["'+a", "'-b", "'=1+1", "'@c"]


def test_a_folder_looks_at_no_other_folders_medoid(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(plan, folders, "a", REDS)
    monkeypatch.setattr("autotag.pipeline.find_medoid._medoid_files", None)
    made(plan, folders, "c", REDS)
    made(plan, folders, "b", REDS)
    made(plan, folders, "a", {"blue.png": coloured("blue", 9)})
    assert [row[0] for row in rows(plan)[1:]] == ["a", "b", "c"]


def test_a_list_that_somebody_edited_is_written_anew(plan: PipelinePlan, folders: Folders) -> None:
    for key in ("a", "b"):
        made(plan, folders, key, REDS)
    for damage in (b"", b"folder\r\n", b"\xff", Path(plan.layout.medoids.path).read_bytes()[:-3]):
        Path(plan.layout.medoids.path).write_bytes(damage)
        made(plan, folders, "c", REDS)
        assert [row[0] for row in rows(plan)[1:]] == ["a", "b", "c"]


def test_a_folder_whose_results_are_gone_leaves_the_list_when_it_is_written_anew(
    plan: PipelinePlan, folders: Folders
) -> None:
    for key in ("a", "b"):
        made(plan, folders, key, REDS)
    plan.layout.folder_tables("a").medoid.unlink()
    plan.layout.medoids.unlink()
    find_medoid(plan, "b")
    assert [row[0] for row in rows(plan)[1:]] == ["b"]


def test_a_folder_without_images_has_no_medoid_which_is_a_note(plan: PipelinePlan, folders: Folders) -> None:
    key = made(plan, folders, "f", {"a.png": picture(1)})
    (folders.data / "target" / "f" / "a.png").unlink()
    process(plan, key)
    counts = find_medoid(plan, key)
    assert (counts.taken, counts.made) == (0, 0)
    assert "none stands for it" in counts.notes[0]
    assert not plan.layout.folder_tables(key).medoid.exists()
    assert rows(plan) == [list(COLUMNS)]


def test_a_second_time_nothing_is_done(plan: PipelinePlan, folders: Folders) -> None:
    key = made(plan, folders, "f", REDS)
    paths = [Path(plan.layout.folder_tables(key).medoid.path), Path(plan.layout.medoids.path)]
    before = [path.stat().st_mtime_ns for path in paths]
    assert find_medoid(plan, key).resumed == 1
    assert [path.stat().st_mtime_ns for path in paths] == before


@pytest.mark.parametrize("lost", ["medoid", "list"])
def test_what_was_deleted_is_written_again(plan: PipelinePlan, folders: Folders, lost: str) -> None:
    key = made(plan, folders, "f", REDS)
    before = rows(plan)
    path = plan.layout.folder_tables(key).medoid if lost == "medoid" else plan.layout.medoids
    path.unlink()
    assert find_medoid(plan, key).resumed == 0
    assert rows(plan) == before
    assert document(plan, key)["images"] == 4


def test_a_changed_folder_has_another_medoid(plan: PipelinePlan, folders: Folders) -> None:
    key = made(plan, folders, "f", REDS)
    made(plan, folders, "f", {f"blue{i}.png": coloured("blue", i) for i in range(20)})
    assert document(plan, key)["file"].startswith("blue")
    assert len(rows(plan)) == 2


def test_medoids_of_another_model_are_not_listed(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    made(plan, folders, "old", REDS)
    settings_file.write_text(
        settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"')
    )
    turned = plan_of(Settings.load(settings_file))
    made(turned, folders, "new", REDS)
    assert [row[0] for row in rows(turned)[1:]] == ["new"]
    find_medoid(plan, "old")  # back again: unchanged, but the list is the other model's
    assert [row[0] for row in rows(plan)[1:]] == ["old"]


def test_a_damaged_medoid_is_left_out_until_its_folder_is_done_again(
    plan: PipelinePlan, folders: Folders
) -> None:
    made(plan, folders, "a", REDS)
    made(plan, folders, "b", REDS)
    for damage in (b"{", b"[]", b'{"folder": "a"}', b"\xff"):
        Path(plan.layout.folder_tables("a").medoid.path).write_bytes(damage)
        plan.layout.medoids.unlink()
        find_medoid(plan, "b")
        assert [row[0] for row in rows(plan)[1:]] == ["b"]
        find_medoid(plan, "a")
        assert [row[0] for row in rows(plan)[1:]] == ["a", "b"]


def test_folders_that_end_at_once_are_both_listed(plan: PipelinePlan, folders: Folders) -> None:
    keys = [f"f{number}" for number in range(6)]
    for key in keys:
        folders.make(key, REDS)
        process(plan, key)
    with held(medoids_lock(plan.layout)):
        threads = [threading.Thread(target=find_medoid, args=(plan, key)) for key in keys]
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        assert not plan.layout.medoids.exists()
    for thread in threads:
        thread.join()
    assert [row[0] for row in rows(plan)[1:]] == keys


def test_vectors_of_another_model_or_an_earlier_state_are_refused(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    folders.make("f", REDS)
    with pytest.raises(MissingInputError):
        find_medoid(plan, "f")
    process(plan, "f")
    settings_file.write_text(
        settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"')
    )
    with pytest.raises(ModelMismatchError):
        find_medoid(plan_of(Settings.load(settings_file)), "f")


def test_damaged_vectors_are_a_sentence_with_the_remedy(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", REDS)
    process(plan, "f")
    damage_pages(Path(plan.layout.folder_tables("f").embeddings.path))
    with pytest.raises(PermanentError, match=r"(?s)is damaged.*materialise target_embeddings of f again"):
        find_medoid(plan, "f")


def test_no_model_is_loaded(plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.make("f", REDS)
    process(plan, "f")
    for name in ("load_detector", "load_embedder"):
        monkeypatch.setattr(registry, name, None)
    monkeypatch.setattr("autotag.pipeline.plan.load_embedder", None)
    from autotag.pipeline.plan import loaded_detector, loaded_embedder

    loaded_detector.cache_clear()
    loaded_embedder.cache_clear()
    assert find_medoid(plan, "f").made == 4
