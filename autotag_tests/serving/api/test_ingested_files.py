import json
import os
import threading
from pathlib import Path

import pytest

from autotag.errors import InUseError, PermanentError, RejectedImageError, UnwritableRootError, UsageError
from autotag.serving.api.ingested_files import IngestedFiles
from autotag.serving.api.sent_tags import MOST_TAGS
from autotag.settings import Settings
from autotag.storage.file_names import ingested_name, ingested_tags_name
from autotag.storage.removal import temporary_name
from autotag.storage.roots import layout_of

MEDIA = "ab" * 32
NAME = ingested_name(MEDIA, "PNG")


@pytest.fixture
def files(settings: Settings) -> IngestedFiles:
    return IngestedFiles(layout_of(settings))


def there(files: IngestedFiles) -> list[str]:
    return sorted(each.name for each in Path(files.root.path).iterdir() if each.name != ".changing")


def kept(files: IngestedFiles, data: bytes = b"pixels") -> None:
    files.keep(files.stage(data, NAME), NAME)


def test_a_staged_file_is_seen_by_nobody_until_it_is_kept(files: IngestedFiles) -> None:
    staged = files.stage(b"pixels", NAME)
    assert files.names() == []
    assert files.keep(staged, NAME)
    assert files.names() == there(files) == [NAME]
    assert files.read(NAME) == b"pixels"


def test_the_same_bytes_are_kept_once(files: IngestedFiles) -> None:
    kept(files)
    before = Path(files.root.path, NAME).stat()
    assert not files.keep(files.stage(b"pixels", NAME), NAME)
    assert Path(files.root.path, NAME).stat() == before
    assert there(files) == [NAME]


def test_tags_are_added_and_stay_in_their_order(files: IngestedFiles) -> None:
    kept(files)
    assert files.tags(MEDIA) == ()
    assert files.add_tags(MEDIA, ()) == ()
    assert there(files) == [NAME]
    assert files.add_tags(MEDIA, ("sea", "Öl")) == ("sea", "Öl")
    assert files.add_tags(MEDIA, ("dog", "sea")) == ("sea", "Öl", "dog")
    assert IngestedFiles(layout := files._layout).tags(MEDIA) == ("sea", "Öl", "dog")
    assert layout.ingested == files.root


def test_tags_that_come_bit_by_bit_are_no_more_than_those_that_come_at_once(files: IngestedFiles) -> None:
    kept(files)
    first = tuple(f"t{number}" for number in range(MOST_TAGS))
    assert files.add_tags(MEDIA, first) == first
    with pytest.raises(UsageError, match=f"has {MOST_TAGS} tags .* would have {MOST_TAGS + 1}"):
        files.add_tags(MEDIA, ("one more",))
    assert files.add_tags(MEDIA, first[:2]) == files.tags(MEDIA) == first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tags": 1}', b"\xff"])
def test_damaged_tags_are_told_and_not_overwritten(files: IngestedFiles, content: bytes) -> None:
    kept(files)
    path = files.root / ingested_tags_name(MEDIA)
    path.write_bytes(content)
    with pytest.raises(PermanentError, match=f"{MEDIA}.json"):
        files.add_tags(MEDIA, ("sea",))
    assert path.read_bytes() == content


def test_an_image_goes_with_its_tags_and_thumbnails(files: IngestedFiles) -> None:
    kept(files)
    files.add_tags(MEDIA, ("sea",))
    layout = files._layout
    small = [layout.ingested_thumbnail(MEDIA, size_px) for size_px in (512, 256)]
    other = layout.ingested_thumbnail("cd" * 32, 512)
    for each in (*small, other):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_bytes(b"small")
    assert files.remove(NAME)
    assert there(files) == ["thumbnails"]
    assert not any(each.exists() for each in small)
    assert other.exists()
    assert not files.remove(NAME)


def test_what_killed_processes_left_is_cleared_and_what_others_write_is_not(files: IngestedFiles) -> None:
    kept(files)
    files.add_tags(MEDIA, ("sea",))
    root = Path(files.root.path)
    orphan = root / ingested_tags_name("cd" * 32)
    orphan.write_text(json.dumps({"tags": ["x"]}))
    dead = root / temporary_name(NAME, "0").replace(f".{os.getpid()}.", ".999999999.")
    dead.write_bytes(b"half")
    alive = files.stage(b"pixels", NAME)
    note = root / "readme.txt"
    note.write_text("of somebody else")
    files.clear_leftovers()
    assert there(files) == sorted([NAME, ingested_tags_name(MEDIA), alive.name, note.name])
    assert files.names() == [NAME]


def test_a_file_with_other_bytes_is_not_read_in_its_place(files: IngestedFiles) -> None:
    kept(files)
    with pytest.raises(RejectedImageError):
        files.read(NAME, MEDIA)


def test_where_there_is_no_directory_there_are_no_images(files: IngestedFiles) -> None:
    assert files.names() == []
    files.clear_leftovers()
    assert not files.root.exists()


def test_only_one_changes_it_at_a_time(files: IngestedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotag.storage.locks.PATIENCE_S", 0.05)
    outcome: list[str] = []

    def other() -> None:
        try:
            with files.changing():
                outcome.append("in")
        except InUseError:
            outcome.append("refused")

    with files.changing():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert outcome == ["refused", "in"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_refuses_is_told(files: IngestedFiles) -> None:
    files.root.mkdir(parents=True)
    Path(files.root.path).chmod(0o500)
    with pytest.raises(UnwritableRootError):
        files.stage(b"pixels", NAME)


def test_a_full_disk_is_told_and_leaves_nothing(
    files: IngestedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    files.root.mkdir(parents=True)
    monkeypatch.setattr("autotag.serving.api.ingested_files.os.fsync", full)
    with pytest.raises(UnwritableRootError, match="No space left"):
        files.stage(b"pixels", NAME)
    assert there(files) == []
