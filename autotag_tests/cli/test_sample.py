import tarfile
from collections.abc import Callable
from pathlib import Path

from autotag_tests.cli.conftest import Said

Autotag = Callable[..., Said]


def test_a_sample_of_photographs_is_an_archive_and_folders(autotag: Autotag, tmp_path: Path) -> None:
    root = tmp_path / "made" / "here"
    told = autotag("sample", "photos", "--dir", str(root), "--json")
    assert told.code == 0
    made = told.json
    assert (made["path"], made["kind"]) == (str(root), "photos")
    assert len(made["shards"]) >= 4
    assert made["images"] >= 200
    assert len(made["folders"]) == 2
    pictures = 0
    for name in made["shards"]:
        with tarfile.open(root / "source" / "shards" / f"{name}.tar") as tar:
            pictures += sum(1 for member in tar if member.name.endswith(".jpg"))
        assert (root / "source" / "tags" / f"{name}.parquet").is_file()
    assert pictures == made["images"]
    for folder, images in made["folders"].items():
        assert len(list((root / "target" / folder).iterdir())) == images


def test_a_directory_that_holds_something_else_is_left_alone(autotag: Autotag, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    told = autotag("sample", "photos", "--dir", str(tmp_path / "mine"))
    assert told.code == 2
    assert str(tmp_path / "mine") in told.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_stamps_that_are_not_there_are_asked_for(autotag: Autotag, tmp_path: Path) -> None:
    told = autotag("sample", "stamps", "--dir", str(tmp_path / "s"), "--from", str(tmp_path / "nowhere"))
    assert told.code == 1
    assert "nowhere" in told.err
