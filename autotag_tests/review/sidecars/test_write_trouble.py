"""ExifTool that spoils or dies, a full disk, a killed run: told, and nothing is left half-written."""

import errno
import subprocess
from pathlib import Path

import pytest

from autotag.errors import UnwritableRootError
from autotag.review.sidecars import place as sidecar_place
from autotag.review.sidecars.exiftool_session import ExifToolLostError, ExifToolSession
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.place import DiskFullError
from autotag.review.sidecars.runs import SidecarRun, owned_keywords
from autotag_tests.review.sidecar_samples import IMMICH, Desk, states


def test_what_exiftool_does_not_give_back_as_it_was_is_not_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ExifTool that also drops a field of others: the sidecar is left as it is."""
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    run = ExifToolSession.run

    def dropping(session: ExifToolSession, *arguments: str) -> bytes:
        also = ("-XMP-xmp:Rating=",) if any(each.startswith("-json=") for each in arguments) else ()
        return run(session, *also, *arguments)

    monkeypatch.setattr(ExifToolSession, "run", dropping)
    found = desk.write({"a.jpg": ["bird"], "b.jpg": ["bird"]})
    assert [each.state for each in found] == ["rejected", "new"]
    assert "Rating" in found[0].reason
    assert (desk.folder / "a.xmp").read_bytes() == IMMICH


def test_keywords_that_exiftool_spoils_are_not_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.images("a.jpg")
    run = ExifToolSession.run

    def spoiling(session: ExifToolSession, *arguments: str) -> bytes:
        told = run(session, *arguments)
        if any(each.startswith("-json=") for each in arguments):
            run(session, "-q", "-overwrite_original", f"-{SUBJECT}+=b;i;r;d", arguments[-1])
        return told

    monkeypatch.setattr(ExifToolSession, "run", spoiling)
    found = desk.write({"a.jpg": ["bird"]})
    assert "read back" in found[0].reason
    assert desk.names() == ["a.jpg"]


def test_one_sidecar_that_exiftool_does_not_survive_is_rejected_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"p{number}.jpg" for number in range(5)]
    desk.images(*names)
    (desk.folder / "p3.xmp").write_bytes(IMMICH)
    run = ExifToolSession.run

    def dying(session: ExifToolSession, *arguments: str) -> bytes:
        if any(each.endswith(".xmp") and Path(each).read_bytes() == IMMICH for each in arguments):
            raise ExifToolLostError("ExifTool ended over what it was given")
        return run(session, *arguments)

    monkeypatch.setattr(ExifToolSession, "run", dying)
    found = desk.write({name: ["bird"] for name in names})
    assert {each.file: each.state for each in found} == {
        **dict.fromkeys(names, "new"),
        "p3.jpg": "rejected",
    }
    assert "ExifTool ended" in found[3].reason


def test_batches_are_no_larger_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, batch_files=2)
    names = [f"p{number}.jpg" for number in range(5)]
    desk.images(*names)
    given: list[int] = []
    run = ExifToolSession.run

    def counted(session: ExifToolSession, *arguments: str) -> bytes:
        given.append(sum(each.endswith(".xmp") for each in arguments))
        return run(session, *arguments)

    monkeypatch.setattr(ExifToolSession, "run", counted)
    assert states(desk.write({name: ["bird"] for name in names})) == {"new": 5}
    assert given == [2, 2, 2, 2, 1, 1]


def test_a_full_disk_leaves_nothing_half_written_and_what_was_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, batch_files=2)
    names = [f"p{number}.jpg" for number in range(6)]
    desk.images(*names)
    (desk.folder / "p4.xmp").write_bytes(IMMICH)
    left = iter([True, True, True, False])
    fsync = sidecar_place.os.fsync

    def full(handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if path.endswith(".tmp") and sidecar_place.TEMPORARY in path and not next(left, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(sidecar_place.os, "fsync", full)
    with pytest.raises(
        DiskFullError, match=r"No space left.*make room and run again; the 3 written before are whole"
    ):
        desk.write({name: ["bird"] for name in names})
    monkeypatch.undo()
    assert desk.names() == [
        "p0.jpg", "p0.xmp", "p1.jpg", "p1.xmp", "p2.jpg", "p2.xmp", "p3.jpg", "p4.jpg", "p4.xmp", "p5.jpg",
    ]  # fmt: skip
    assert (desk.folder / "p4.xmp").read_bytes() == IMMICH
    assert sorted(owned_keywords(desk.runs, desk.place, desk.place)) == ["p0.xmp", "p1.xmp", "p2.xmp"]
    assert states(desk.write({name: ["bird"] for name in names})) == {"unchanged": 3, "new": 2, "merged": 1}


def test_nothing_is_written_where_the_journal_cannot_be(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.images("a.jpg")

    def full(*_: object) -> None:
        raise UnwritableRootError("cannot be written (No space left on device)")

    monkeypatch.setattr(SidecarRun, "begin_batch", full)
    with pytest.raises(UnwritableRootError, match="No space left"):
        desk.write({"a.jpg": ["bird"]})
    assert desk.names() == ["a.jpg"]


def test_what_a_killed_run_left_half_written_goes(desk: Desk) -> None:
    desk.images("a.jpg")
    dead = subprocess.Popen(["true"])
    dead.wait()
    import socket

    left = desk.folder / f".{sidecar_place.TEMPORARY}.{socket.gethostname()}.{dead.pid}.abc.tmp"
    left.write_bytes(b"half")
    desk.write({"a.jpg": ["bird"]})
    assert desk.names() == ["a.jpg", "a.xmp"]
