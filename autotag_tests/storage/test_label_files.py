from pathlib import Path

import pytest

from autotag.errors import BadLabelsError
from autotag.settings import Settings
from autotag.storage.label_files import is_without_labels, label_file, read_labels


def test_the_file_is_named_relative_to_the_settings(tmp_path: Path) -> None:
    (tmp_path / "autotag.toml").write_text('[labels]\nfile = "words/mine.txt"\n')
    assert label_file(Settings.load(tmp_path / "autotag.toml")) == tmp_path / "words" / "mine.txt"


def test_nobody_asked_for_labels_where_no_list_is_named_and_none_lies_there(tmp_path: Path) -> None:
    (tmp_path / "autotag.toml").write_text("")
    assert is_without_labels(Settings.load(tmp_path / "autotag.toml"))
    (tmp_path / "labels.txt").write_text("bird\n")
    assert not is_without_labels(Settings.load(tmp_path / "autotag.toml"))
    (tmp_path / "autotag.toml").write_text('[labels]\nfile = "words/mine.txt"\n')
    assert not is_without_labels(Settings.load(tmp_path / "autotag.toml"))


def test_a_file_of_labels_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffBird\r\n# no label\r\nbird\r\nCat\r\n".encode())
    assert (read_labels(path).labels, read_labels(path).duplicates) == (("bird", "cat"), 1)


def test_a_missing_file_is_told_with_its_path_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        BadLabelsError, match=r"labels.txt is not there; write your labels into it, one a line"
    ):
        read_labels(tmp_path / "labels.txt")


def test_a_directory_is_no_label_list(tmp_path: Path) -> None:
    with pytest.raises(BadLabelsError, match=r"cannot be read \(.+\); name a text file"):
        read_labels(tmp_path)


def test_a_bad_line_is_told_with_the_files_path(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"bird\n\x00")
    with pytest.raises(BadLabelsError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}, line 2 holds")
