import hashlib
import os
import shutil
from pathlib import Path

import pytest

from autotag.errors import InUseError, MissingInputError, UsageError
from autotag.pipeline.retrieval import look_at_files, make_manifest
from autotag.pipeline.retrieval.units import store_lock
from autotag.storage import locks
from autotag.storage.locks import held
from autotag.storage.tables import read_table
from autotag_tests.conftest import bomb, picture, snapshot
from autotag_tests.pipeline.retrieval.stores import TestStore


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are."""
    seen: list[str] = []
    read = look_at_files.read_file

    def noted(folder, name, media=""):
        seen.append(name)
        return read(folder, name, media)

    monkeypatch.setattr(look_at_files, "read_file", noted)
    return seen


def test_the_hash_of_the_bytes_names_an_image(store: TestStore) -> None:
    data = picture(1, width=80, height=60)
    store.put("a.png", data)
    assert store.manifest().as_dict()["out"] == 1
    (row,) = store.rows()
    assert row["media_id"] == hashlib.sha256(data).hexdigest()
    assert (row["file"], row["width"], row["height"], row["files"]) == ("a.png", 80, 60, 1)


def test_of_equal_files_the_first_by_path_stands_for_all(store: TestStore) -> None:
    for name in ("z.png", "b/a.png", "b/c.png"):
        store.put(name, picture(1))
    store.put("other.png", picture(2))
    counts = store.manifest()
    assert (counts.taken, counts.made, counts.duplicates, counts.rejected) == (4, 2, 2, 0)
    assert [(row["file"], row["files"]) for row in store.rows()] == [("b/a.png", 3), ("other.png", 1)]
    assert store.rejects() == {"b/c.png": "duplicate", "z.png": "duplicate"}


def test_bad_files_are_rejects_and_what_is_no_image_is_ignored(store: TestStore) -> None:
    store.some(1)
    store.put("broken.jpg", b"no picture")
    store.put("cut.png", picture(5)[:60])
    store.put("bomb.png", bomb())
    store.put("empty.jpg", b"")
    store.put("notes.txt", b"x")
    store.put("no suffix", b"x")
    store.put("picture without suffix", picture(7))
    store.put(".hidden.png", picture(8))
    store.put(".git/x.png", picture(9))
    (store.images / "link.png").symlink_to(store.images / "p0000.png")
    counts = store.manifest()
    assert (counts.taken, counts.made, counts.rejected, counts.ignored) == (6, 2, 4, 2)
    assert set(store.rejects()) == {"broken.jpg", "cut.png", "bomb.png", "empty.jpg"}


def test_a_path_that_is_no_utf8_is_a_reject_that_says_so(store: TestStore) -> None:
    store.some(1)
    Path(os.fsdecode(os.fsencode(store.images) + b"/\xe9.png")).write_bytes(picture(3))
    assert store.manifest().rejected == 1
    assert [name for name, stage in store.rejects().items() if stage == "read"] == ["\\xe9.png"]


def test_a_second_run_reads_what_is_new_and_forgets_what_is_gone(store: TestStore, reads: list[str]) -> None:
    store.some(4)
    store.manifest()
    reads.clear()
    store.put("new.png", picture(77))
    (store.images / "p0000.png").unlink()
    store.put("p0001.png", picture(99, width=70))
    counts = store.manifest()
    assert sorted(reads) == ["new.png", "p0001.png"]
    assert (counts.made, counts.reused) == (4, 2)
    assert [row["file"] for row in store.rows()] == ["new.png", "p0001.png", "p0002.png", "p0003.png"]


def test_a_folder_that_goes_away_meanwhile_costs_the_others_nothing(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(2)
    store.put("gone/a.png", picture(50))
    list_files = make_manifest.listed_files

    def listed(*given):
        found = list_files(*given)
        shutil.rmtree(store.images / "gone")
        return found

    monkeypatch.setattr(make_manifest, "listed_files", listed)
    counts = store.manifest()
    assert (counts.taken, counts.made, counts.rejected) == (3, 2, 1)
    assert store.rejects() == {"gone/a.png": "read"}


def test_a_run_that_changes_nothing_writes_nothing(store: TestStore) -> None:
    store.some(3)
    store.put("bad.jpg", b"no")
    first = store.manifest()
    before = {path.name: path.stat().st_mtime_ns for path in Path(str(store.layout.root)).glob("*.parquet")}
    again = store.manifest()
    assert before == {
        path.name: path.stat().st_mtime_ns for path in Path(str(store.layout.root)).glob("*.parquet")
    }
    assert again.resumed == 1
    assert (again.taken, again.made, again.rejected) == (first.taken, first.made, first.rejected)


def test_directories_that_are_not_named_keep_their_rows(store: TestStore) -> None:
    store.put("a/1.png", picture(1))
    store.put("a/bad.jpg", b"no")
    store.put("ab/2.png", picture(2))
    store.manifest(store.images / "a")
    counts = store.manifest(store.images / "ab")
    assert (counts.taken, counts.made, counts.rejected) == (3, 2, 1)
    (store.images / "a" / "1.png").unlink()
    store.manifest(store.images / "ab")
    assert [row["file"] for row in store.rows()] == ["a/1.png", "ab/2.png"]
    store.manifest(store.images / "a", store.images / "ab")
    assert [row["file"] for row in store.rows()] == ["ab/2.png"]


def test_a_directory_and_one_inside_it_list_a_file_once(store: TestStore) -> None:
    store.put("a/1.png", picture(1))
    assert store.manifest(store.images, store.images / "a").taken == 1


def test_what_a_killed_run_had_read_is_not_read_again(
    store: TestStore, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.pipeline.retrieval import make_manifest

    store.some(6)
    monkeypatch.setattr(make_manifest, "MOST_IMAGES", 2)
    read = look_at_files.read_file

    def killed(folder, name, media=""):
        if name == "p0004.png":
            raise KeyboardInterrupt
        return read(folder, name, media)

    with monkeypatch.context() as patch:
        patch.setattr(look_at_files, "read_file", killed)
        with pytest.raises(KeyboardInterrupt):
            store.manifest()
    assert not store.layout.manifest.exists()
    reads.clear()
    assert store.manifest().made == 6
    assert sorted(reads) == ["p0004.png", "p0005.png"]
    assert not store.layout.parts("manifest").exists()


def test_images_are_only_read(store: TestStore) -> None:
    store.some(2)
    store.put("bad.jpg", b"no")
    before = snapshot(store.images)
    store.manifest()
    assert snapshot(store.images) == before


def test_a_store_among_the_images_is_refused_unless_it_is_hidden(store: TestStore, tmp_path: Path) -> None:
    store.some(1)
    with pytest.raises(UsageError, match="only ever read"):
        store.manifest(tmp_path)
    assert not store.layout.manifest.exists()


@pytest.mark.parametrize("what", ["missing", "a file", "empty"])
def test_no_images_is_an_error_that_says_what_images_are(store: TestStore, what: str) -> None:
    place = store.images / "x"
    if what == "a file":
        place.write_bytes(picture(1))
    if what == "empty":
        place.mkdir()
    with pytest.raises(MissingInputError, match="image"):
        store.manifest(place)


def test_two_commands_do_not_work_on_a_store_at_once(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(1)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    with held(store_lock(store.layout)), pytest.raises(InUseError, match="store"):
        store.manifest()


def test_killed_between_its_tables_it_notices_also_where_the_images_are_as_before(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(2)
    store.manifest()
    write = make_manifest.write_table

    def killed(path, *rest):
        if path == store.layout.rejects:
            raise KeyboardInterrupt
        write(path, *rest)

    fleeting = store.put("fleeting.png", picture(70))
    with monkeypatch.context() as patch:
        patch.setattr(make_manifest, "write_table", killed)
        with pytest.raises(KeyboardInterrupt):
            store.manifest()
    fleeting.unlink()
    store.manifest()
    (store.here / "elsewhere").mkdir()
    (store.here / "elsewhere" / "a.png").write_bytes(picture(71))
    store.manifest(store.here / "elsewhere")
    files = read_table(store.layout.manifest)["file"].to_pylist()
    assert [Path(file).name for file in files] == ["a.png", "p0000.png", "p0001.png"]
