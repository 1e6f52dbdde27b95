"""Plain directories: which may be a root, where results go, and which folders are found."""

import os
from pathlib import Path

import pytest

from autotag.cli.plain_root import folders_below, plain_root, refuse_unwritable, root_settings
from autotag.domain.identity import folder_path
from autotag.errors import MissingInputError, SettingsError, UnwritableRootError, UsageError
from autotag.settings import Settings
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of
from autotag_tests.conftest import picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with images at several depths, beside another one that is none of ours."""
    for path in ("pics", "pics/a b", "pics/-x/deep/Ä", "pics/.hidden", "neighbour"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "p.png").write_bytes(picture(1))
    (tmp_path / "pics" / "texts").mkdir()
    (tmp_path / "pics" / "texts" / "t.txt").write_text("x")
    (tmp_path / "pics" / "link").symlink_to(tmp_path / "neighbour")
    return tmp_path / "pics"


def layout(root: Path, out: Path | None = None) -> Layout:
    return layout_of(Settings.load(None, root_settings(plain_root(root), out)))


def found(where: Layout) -> list[str]:
    return [folder_path(key) for key in folders_below(where).keys]


def test_the_root_itself_and_all_folders_with_images_below_it_are_found_and_no_neighbour(root: Path) -> None:
    assert found(layout(root)) == ["pics", "pics/-x/deep/Ä", "pics/a b"]


def test_a_root_whose_images_are_all_in_folders_is_no_folder_itself(root: Path) -> None:
    (root / "p.png").unlink()
    assert found(layout(root)) == ["pics/-x/deep/Ä", "pics/a b"]


def test_a_hidden_root_is_taken_at_its_word(root: Path) -> None:
    assert found(layout(root / ".hidden")) == [".hidden"]


def test_results_go_to_a_hidden_directory_in_the_root(root: Path) -> None:
    where = layout(root)
    assert Path(where.data.path) == root / ".autotag"
    assert Path(where.folder_tables("pics/a b").root.path) == root / ".autotag/target_processed/pics/a b"
    assert Path(where.folder("pics/a b").path) == root / "a b"


@pytest.mark.parametrize("out", ["results", "pics/.results", "neighbour/deep"])
def test_results_may_lie_beside_the_root_or_hidden_in_it(root: Path, out: str) -> None:
    where = layout(root, root.parent / out)
    assert Path(where.runs.path) == root.parent / out / "runs"
    assert len(found(where)) == 3


@pytest.mark.parametrize("out", ["pics", "pics/results", "pics/a b"])
def test_results_among_the_images_are_refused(root: Path, out: str) -> None:
    with pytest.raises(UsageError, match=r"--out.*only ever read"):
        layout(root, root.parent / out)


def test_a_root_among_results_is_refused(root: Path) -> None:
    inner = root.parent / "target_processed" / "pics"
    inner.parent.mkdir()
    root.rename(inner)
    with pytest.raises(SettingsError, match="overlap"):
        layout(inner, root.parent)


def test_a_relative_root_and_one_through_a_link_are_the_directory_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parent / "way").symlink_to(root)
    monkeypatch.chdir(root / "a b")
    assert plain_root(Path("..")) == plain_root(root.parent / "way") == root


def test_the_whole_file_system_is_no_root() -> None:
    with pytest.raises(UsageError, match="whole file system"):
        plain_root(Path("/"))


def test_a_file_is_no_root(root: Path) -> None:
    with pytest.raises(UsageError, match="that is a file"):
        plain_root(root / "p.png")


def test_a_root_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere is not there"):
        plain_root(root / "nowhere")


def test_a_root_whose_name_is_no_text_is_refused(root: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(root) + b"/\xff"))
    odd.mkdir()
    with pytest.raises(UsageError, match="not UTF-8"):
        plain_root(odd)


def test_folders_whose_names_are_no_text_are_found_all_the_same(root: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(root) + b"/\xff"))
    odd.mkdir()
    (odd / "p.png").write_bytes(picture(1))
    assert "pics/\udcff" in found(layout(root))


def test_a_root_without_images_is_told_what_images_are(tmp_path: Path) -> None:
    (tmp_path / "none" / "deep").mkdir(parents=True)
    with pytest.raises(MissingInputError, match=r"holds no images, nor does any folder below it.*\.jpg"):
        folders_below(layout(tmp_path / "none"))


def test_a_folder_that_may_not_be_read_is_named_and_the_others_are_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def guarded(path: str = "."):
        if str(path).endswith("/a b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    told = folders_below(layout(root))
    assert [folder_path(key) for key in told.keys] == ["pics", "pics/-x/deep/Ä"]
    assert list(told.unreadable) == ["pics/a b"]
    assert "may not be read" in told.unreadable["pics/a b"]


def test_a_folder_that_had_images_when_it_was_last_looked_at_is_found(root: Path) -> None:
    where = layout(root)
    table = Path(where.folder_tables("pics/texts").images.path)
    table.parent.mkdir(parents=True)
    table.write_bytes(b"x")
    assert "pics/texts" in found(where)


def test_where_results_cannot_go_a_sentence_says_out(root: Path) -> None:
    (root / ".autotag").write_text("in the way")
    with pytest.raises(UnwritableRootError, match=r"\.autotag: cannot be written.*--out"):
        refuse_unwritable(layout(root).data)


def test_two_commands_that_begin_at_once_may_both_write(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch, calls = Path.touch, []

    def touched_by_both(path: Path) -> None:
        touch(path)
        calls.append(path)
        if len(calls) == 1:
            refuse_unwritable(layout(root).data)

    monkeypatch.setattr(Path, "touch", touched_by_both)
    refuse_unwritable(layout(root).data)
    assert len(calls) == 2
    assert list((root / ".autotag").iterdir()) == []


def test_what_is_probed_is_not_left_behind(root: Path) -> None:
    refuse_unwritable(layout(root).data)
    assert list((root / ".autotag").iterdir()) == []
