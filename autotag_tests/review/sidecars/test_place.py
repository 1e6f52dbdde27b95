"""Sidecars are replaced whole or not at all, and only where they are what they were."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import SidecarError
from autotag.review.sidecars import place as sidecar_place
from autotag.review.sidecars.place import DiskFullError, FoundSidecar, SidecarPlace, sha256_of


@pytest.fixture(params=["local", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SidecarPlace:
    if request.param == "local":
        return SidecarPlace(UPath(tmp_path))
    directory = UPath(f"memory://{tmp_path.name}-{request.node.name}")
    directory.mkdir(parents=True, exist_ok=True)
    return SidecarPlace(directory)


def test_what_is_written_is_read_again(place: SidecarPlace) -> None:
    assert place.read("a.xmp") is None
    place.replace("a.xmp", FoundSidecar(b"one"), "")
    place.replace("a.xmp", FoundSidecar(b"two"), sha256_of(b"one"))
    found = place.read("a.xmp")
    assert found is not None
    assert (found.data, found.sha256) == (b"two", sha256_of(b"two"))
    assert place.names() == ["a.xmp"]


@pytest.mark.parametrize("there", [None, b"other"])
def test_what_is_not_as_expected_is_not_replaced_or_removed(place: SidecarPlace, there: bytes | None) -> None:
    if there is not None:
        place.replace("a.xmp", FoundSidecar(there), "")
    for expected in (sha256_of(b"one"), *([""] if there else [])):
        with pytest.raises(SidecarError, match="another program"):
            place.replace("a.xmp", FoundSidecar(b"two"), expected)
    with pytest.raises(SidecarError, match="another program"):
        place.remove("a.xmp", sha256_of(b"one"))
    found = place.read("a.xmp")
    assert (found and found.data) == there


def test_what_is_as_expected_is_removed(place: SidecarPlace) -> None:
    place.replace("a.xmp", FoundSidecar(b"one"), "")
    place.remove("a.xmp", sha256_of(b"one"))
    assert place.names() == []


def test_a_new_sidecar_never_takes_the_place_of_one_that_came_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program makes it after the last look and before the name is given."""
    place = SidecarPlace(UPath(tmp_path))
    link = os.link

    def made_before(source: Path, target: Path, *, follow_symlinks: bool) -> None:
        (tmp_path / "a.xmp").write_bytes(b"theirs")
        link(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(sidecar_place.os, "link", made_before)
    with pytest.raises(SidecarError, match="another program has made it"):
        place.replace("a.xmp", FoundSidecar(b"ours"), "")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.xmp", b"theirs")]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(sidecar_place.os, "link", refused)
    SidecarPlace(UPath(tmp_path)).replace("a.xmp", FoundSidecar(b"ours"), "")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.xmp", b"ours")]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "a.xmp").write_bytes(b"one")

    def failing(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(sidecar_place.os, "fsync", failing)
    kind = DiskFullError if code != errno.EIO else SidecarError
    with pytest.raises(kind, match=os.strerror(code)):
        SidecarPlace(UPath(tmp_path)).replace("a.xmp", FoundSidecar(b"two"), sha256_of(b"one"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.xmp", b"one")]


def test_a_file_that_no_sidecar_can_be_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "a.xmp").open("wb") as stream:
        stream.truncate(sidecar_place.LARGEST_BYTES + 1)
    with pytest.raises(SidecarError, match="larger than 64 MiB"):
        SidecarPlace(UPath(tmp_path)).read("a.xmp")


@pytest.mark.parametrize(("make", "kind"), [(Path.mkdir, "a directory"), (os.mkfifo, "no regular file")])
def test_what_is_no_file_is_told_and_no_handle_of_it_stays_open(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path / "a.xmp")
    place, before = SidecarPlace(UPath(tmp_path)), len(list(Path("/dev/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(SidecarError, match=f"there is {kind} of its name; take it away"):
            place.read("a.xmp")
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_folder_that_refuses_files_is_known_without_and_with_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SidecarPlace(UPath(tmp_path))
    assert (place.refuses_writes(), place.refuses_a_file()) == (False, False)
    assert list(tmp_path.iterdir()) == []

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refused)
        assert (place.refuses_writes(), place.refuses_a_file()) == (False, True)
    monkeypatch.setattr(sidecar_place.os, "access", lambda *_: False)
    assert (place.refuses_writes(), place.refuses_a_file()) == (True, True)


def test_an_object_store_counts_as_one_that_refuses() -> None:
    assert SidecarPlace(UPath("memory://somewhere")).refuses_writes()
