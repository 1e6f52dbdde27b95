import json
import sys
from pathlib import Path

import pytest

from benchmarks import memory, target_folder
from benchmarks.command_line import Told
from benchmarks.watched_process import Watched

FAKES = '[models]\ndetector = "fake"\nembedder = "fake"\n'


def _tagging(monkeypatch, entries):
    """`autotag` that writes these entries without running anything."""

    def autotag(settings: Path, *arguments: str) -> Told:
        results = settings.parent / "data" / "target_processed" / arguments[-1]
        results.mkdir(parents=True)
        (results / "tags.json").write_text(json.dumps({"images": entries}))
        return Told({"steps": {"folder_tags": {"seconds": 0.5}}}, Watched("", "", 0.0, 2.0, 1.0, 50.0))

    monkeypatch.setattr(target_folder, "autotag", autotag)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "target" / "walk"
    made.mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (made / name).touch()
    return made


def test_a_folder_whose_tags_name_every_image_gives_figures(monkeypatch, folder, tmp_path):
    _tagging(monkeypatch, [{"file": "b.jpg", "tags": []}, {"file": "a.jpg", "tags": [{"tag": "bus"}]}])
    figures = target_folder.tag_folder(tmp_path / "autotag.toml", folder)
    assert (figures.images, figures.tagged, figures.seconds) == (2, 1, 2.0)
    assert figures.step_s == {"folder_tags": 0.5}


@pytest.mark.parametrize("files", [["a.jpg"], ["a.jpg", "a.jpg"], ["a.jpg", "c.jpg"]])
def test_tags_of_other_images_void_the_figures(monkeypatch, folder, tmp_path, files):
    _tagging(monkeypatch, [{"file": file, "tags": []} for file in files])
    with pytest.raises(target_folder.WrongTagsError):
        target_folder.tag_folder(tmp_path / "autotag.toml", folder)


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (1, 1)])
def test_the_command_ends_with_one_and_gives_no_figures_when_an_image_is_lost(
    monkeypatch, tmp_path, capsys, lost, code
):
    def autotag(settings: Path, verb: str, *words: str) -> Told:
        if verb == "process-target":
            folder = settings.parent / "target" / words[-1]
            files = sorted(file.name for file in folder.iterdir())[lost:]
            entries = [{"file": file, "tags": []} for file in files]
            results = settings.parent / "data" / "target_processed" / words[-1]
            results.mkdir(parents=True)
            (results / "tags.json").write_text(json.dumps({"images": entries}))
        return Told({"steps": {"folder_tags": {"seconds": 0.5}}}, Watched("", "", 0.0, 2.0, 1.0, 50.0))

    monkeypatch.setattr(target_folder, "autotag", autotag)
    monkeypatch.setattr(target_folder, "ARCHIVE_IMAGES", 2)
    given = ["--sizes", "3", "--dir", str(tmp_path / "corpora"), "--json"]
    monkeypatch.setattr(sys, "argv", ["target_folder", *given])
    assert target_folder.main() == code
    told = capsys.readouterr()
    if lost:
        assert (told.out, told.err) == ("", "failed: tags.json names 2 images, the folder has 3, or others\n")
    else:
        assert json.loads(told.out.splitlines()[-1])["sizes"]["3"][0]["images"] == 3


@pytest.mark.slow
def test_a_folder_is_tagged_through_the_command_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(target_folder, "ARCHIVE_IMAGES", 8)
    settings = tmp_path / "more.toml"
    settings.write_text(FAKES)
    given = ["--sizes", "3", "--settings", str(settings), "--dir", str(tmp_path / "corpora"), "--json"]
    monkeypatch.setattr(sys, "argv", ["target_folder", *given])
    assert target_folder.main() == 0
    [figures] = json.loads(capsys.readouterr().out.splitlines()[-1])["sizes"]["3"]
    assert figures["images"] == 3
    assert figures["seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("max_ratio", "code"), [("100", 0), ("0.01", 1)])
def test_memory_that_grows_fails_the_benchmark(monkeypatch, tmp_path, capsys, max_ratio, code):
    given = [
        "--few",
        "1",
        "--many",
        "2",
        "--images-per-shard",
        "2",
        "--engine",
        "in-process",
        "--max-ratio",
        max_ratio,
    ]
    fakes = ["--detector", "fake", "--embedder", "fake", "--dir", str(tmp_path), "--json"]
    monkeypatch.setattr(sys, "argv", ["memory", *given, *fakes])
    assert memory.main() == code
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ratio"] > 0
