"""Sidecars written by the real ExifTool: what others wrote is kept, originals are not touched, and trouble is told, not made."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotag.errors import UnwritableRootError
from autotag.review.sidecars import place as sidecar_place
from autotag.review.sidecars import write as sidecar_write
from autotag.review.sidecars.exiftool_session import ExifToolLostError, ExifToolSession
from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT, TAGS_LIST, refusal, same_word
from autotag.review.sidecars.place import DiskFullError
from autotag.review.sidecars.plan import KeptPlan
from autotag.review.sidecars.runs import SidecarRun, owned_keywords
from autotag.review.sidecars.xml_packet import read_packet
from autotag_tests.review.sidecar_samples import IMMICH, STYLES, Desk, listed, packet, states


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def original(path: Path) -> tuple[bytes, int, int, int, int]:
    at = path.lstat()
    return path.read_bytes(), at.st_mtime_ns, at.st_ctime_ns, at.st_mode, at.st_ino


def exiftool(path: Path, field: str) -> list[str]:
    """Keywords as a program of its own reads them."""
    told = subprocess.run(
        ["exiftool", "-json", f"-{field}", str(path)], capture_output=True, check=True
    ).stdout  # fmt: skip
    value = json.loads(told, parse_int=str, parse_float=str)[0].get(field.rpartition(":")[2], [])
    return value if isinstance(value, list) else [value]


def test_an_image_gets_a_sidecar_with_its_labels(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    assert states(desk.write({"a.jpg": ["sea", "animal|bird"], "b.jpg": []})) == {"new": 1}
    assert exiftool(desk.folder / "a.xmp", SUBJECT) == ["bird", "sea"]
    assert exiftool(desk.folder / "a.xmp", HIERARCHICAL) == ["animal|bird", "sea"]
    assert {path.name for path in desk.folder.iterdir()} == {"a.jpg", "a.xmp", "b.jpg"}


def test_the_keywords_are_those_of_the_plain_exiftool_command(desk: Desk, tmp_path: Path) -> None:
    from autotag_tests.conftest import picture

    (desk.folder / "a.jpg").write_bytes(picture(form="JPEG"))
    desk.write({"a.jpg": ["bird", "sea"]})
    (tmp_path / "plain").mkdir()
    image = tmp_path / "plain" / "a.jpg"
    image.write_bytes(picture(form="JPEG"))
    both = [f"-{field}={word}" for field in (SUBJECT, "IPTC:Keywords") for word in ("bird", "sea")]
    command = ["exiftool", "-q", "-P", "-overwrite_original", "-m", *both, "-o", "%d%f.xmp", str(image)]
    subprocess.run(command, check=True)
    plain = read_packet(image.with_suffix(".xmp").read_bytes())
    assert read_packet((desk.folder / "a.xmp").read_bytes()).keywords == plain.keywords
    assert not any("Keywords" in name for name in plain.foreign)


@pytest.mark.parametrize("style", STYLES)
def test_all_that_other_programs_wrote_is_kept(desk: Desk, style: str) -> None:
    desk.images("a.jpg")
    (desk.folder / "a.xmp").write_bytes(STYLES[style])
    before = read_packet(STYLES[style])
    assert states(desk.write({"a.jpg": ["animal|bird", "sea"]})) == {"merged": 1}
    after = read_packet((desk.folder / "a.xmp").read_bytes())
    assert after.foreign == before.foreign
    for field, keywords in before.keywords.items():
        assert after.keywords[field][: len(keywords)] == keywords
    assert set(after.keywords[SUBJECT]) >= {"bird", "sea"}
    assert set(after.keywords[HIERARCHICAL]) >= {"animal|bird", "sea"}
    assert (TAGS_LIST in after.keywords) == (TAGS_LIST in before.keywords)
    assert states(desk.write({"a.jpg": []})) == {"merged": 1}
    again = read_packet((desk.folder / "a.xmp").read_bytes())
    assert again == before


def test_no_original_is_touched(desk: Desk) -> None:
    names = ["a.jpg", "a.png", "b.tif", "c.jpg"]
    desk.images(*names, "notes.txt")
    (desk.folder / "a.jpg").chmod(0o440)
    os.utime(desk.folder / "b.tif", ns=(1, 1_000_000_000_000_000_001))
    before = {path.name: original(path) for path in desk.folder.iterdir()}
    desk.write({name: ["bird"] for name in names})
    desk.write({name: ["sea"] for name in names})
    desk.undo()
    assert {name: original(desk.folder / name) for name in before} == before


ODD_NAMES = [
    "-overwrite_original.jpg",
    "-execute.jpg",
    "@args.jpg",
    "two\nlines.jpg",
    "quo'te\"s.jpg",
    " spaces .jpg",
    "dollar$HOME`id`.jpg",
    "\u00fcml\u00e4ut \U0001f426.jpg",
    "#comment.jpg",
    "no-utf8-\udce4.jpg",
    "%d%f.jpg",
    "*.jpg",
    "no suffix",
    "l" * 251 + ".jpg",
]


def test_odd_file_names_are_safe(desk: Desk) -> None:
    desk.images(*ODD_NAMES)
    assert states(desk.write({name: ["bird"] for name in ODD_NAMES})) == {"new": len(ODD_NAMES)}
    for name in ODD_NAMES:
        sidecar = name.removesuffix(".jpg") + ".xmp"
        assert desk.keywords(sidecar) == {SUBJECT: ("bird",)}
    assert len(desk.names()) == 2 * len(ODD_NAMES)
    assert states(desk.undo()) == {"removed": len(ODD_NAMES)}
    assert desk.names() == sorted(ODD_NAMES)


def test_a_name_that_leaves_no_room_for_a_suffix_is_rejected_and_the_others_written(desk: Desk) -> None:
    long = "l" * 251
    desk.images(f"{long}.jpg", f"{long}.png", "a.jpg")
    found = desk.write({f"{long}.jpg": ["bird"], f"{long}.png": ["bird"], "a.jpg": ["bird"]})
    assert states(found) == {"rejected": 2, "new": 1}
    assert all("name too long" in each.reason for each in found if each.state == "rejected")


ODD_LABELS = [
    "-bird", "@file", "<bird", "a=b", "=", "a,b;c", "R&D", 'say "hi"', "it's", "back\\slash", "\\u0041", "\\\\n", "\\",
    "true", "null", "007", "1e5", "base64:Zm9v", "base64:", "#hash", "$x", "{x}", "[1]", "&amp;", "\u00fc", "\U0001f426", "\u05d0\u200fb", "a  b",
    "-", "%d",
]  # fmt: skip


def test_odd_labels_are_written_as_they_are(desk: Desk) -> None:
    desk.images("a.jpg")
    assert states(desk.write({"a.jpg": ODD_LABELS})) == {"new": 1}
    assert desk.keywords("a.xmp") == {SUBJECT: tuple(sorted(ODD_LABELS))}
    assert states(desk.write({"a.jpg": ODD_LABELS})) == {"unchanged": 1}


def test_odd_keywords_of_others_are_kept_as_they_are(desk: Desk) -> None:
    desk.images("a.jpg")
    odd = ("twice", "twice", " spaced ", "R&amp;D", "two&#10;lines", "tab&#9;bed", "true", "\\u0041", "a|b")
    (desk.folder / "a.xmp").write_bytes(packet(body=listed("dc:subject", *odd)))
    before = desk.keywords("a.xmp")[SUBJECT]
    assert len(before) == len(odd)
    assert states(desk.write({"a.jpg": ["bird"]})) == {"merged": 1}
    assert desk.keywords("a.xmp")[SUBJECT] == (*before, "bird")


def test_a_label_with_a_line_break_rejects_its_image_and_no_other(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    found = desk.write({"a.jpg": ["bird", "two\nlines"], "b.jpg": ["bird"]})
    assert [(each.file, each.state) for each in found] == [("a.jpg", "rejected"), ("b.jpg", "new")]
    assert "line break" in found[0].reason
    assert not (desk.folder / "a.xmp").exists()


def test_a_second_run_writes_nothing(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "b.xmp").write_bytes(IMMICH)
    approved = {"a.jpg": ["animal|bird"], "b.jpg": ["sea"]}
    desk.write(approved)
    before = {name: original(desk.folder / name) for name in ("a.xmp", "b.xmp")}
    assert states(desk.write(approved)) == {"unchanged": 2}
    assert {name: original(desk.folder / name) for name in before} == before


def test_a_label_that_is_not_approved_any_more_goes_and_what_a_person_added_stays(desk: Desk) -> None:
    desk.images("a.jpg")
    desk.write({"a.jpg": ["bird", "sea"]})
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", f"-{SUBJECT}+=mine", str(desk.folder / "a.xmp")], check=True
    )
    found = desk.write({"a.jpg": ["sea"]})
    assert (found[0].removed, found[0].added) == ({SUBJECT: ("bird",)}, {})
    assert desk.keywords("a.xmp") == {SUBJECT: ("sea", "mine")}


def test_a_keyword_that_was_there_before_us_is_never_taken_away(desk: Desk) -> None:
    desk.images("a.jpg")
    (desk.folder / "a.xmp").write_bytes(packet(body=listed("dc:subject", "bird")))
    desk.write({"a.jpg": ["bird", "sea"]})
    desk.write({"a.jpg": []})
    assert desk.keywords("a.xmp") == {SUBJECT: ("bird",)}


def test_an_image_without_approved_labels_is_left_alone(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(b"not even XML")
    assert desk.write({"a.jpg": [], "b.jpg": []}) == []
    assert (desk.folder / "a.xmp").read_bytes() == b"not even XML"


@pytest.mark.parametrize(
    "data", [b"", b"half a", IMMICH[:300], b"\x00" * 500, IMMICH.replace(b"</rdf:Description>", b"")]
)
def test_a_damaged_sidecar_is_kept_and_reported(desk: Desk, data: bytes) -> None:
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(data)
    before = original(desk.folder / "a.xmp")
    found = desk.write({"a.jpg": ["bird"], "b.jpg": ["bird"]})
    assert [each.state for each in found] == ["rejected", "new"]
    assert "no XML" in found[0].reason
    assert original(desk.folder / "a.xmp") == before


def test_links_directories_and_pipes_in_the_way_are_refused(desk: Desk, tmp_path: Path) -> None:
    desk.images("link.jpg", "dangling.jpg", "directory.jpg", "pipe.jpg", "good.jpg")
    (tmp_path / "elsewhere.xmp").write_bytes(IMMICH)
    (desk.folder / "link.xmp").symlink_to(tmp_path / "elsewhere.xmp")
    (desk.folder / "dangling.xmp").symlink_to(tmp_path / "nowhere.xmp")
    (desk.folder / "directory.xmp").mkdir()
    os.mkfifo(desk.folder / "pipe.xmp")
    names = ["link.jpg", "dangling.jpg", "directory.jpg", "pipe.jpg", "good.jpg"]
    found = {each.file: each for each in desk.write({name: ["bird"] for name in names})}
    assert {name: each.state for name, each in found.items()} == {
        **dict.fromkeys(names, "rejected"),
        "good.jpg": "new",
    }
    assert "link" in found["link.jpg"].reason
    assert "link" in found["dangling.jpg"].reason
    assert "directory" in found["directory.jpg"].reason
    assert "no regular file" in found["pipe.jpg"].reason
    assert (tmp_path / "elsewhere.xmp").read_bytes() == IMMICH


def test_an_image_that_is_gone_is_rejected(desk: Desk) -> None:
    found = desk.write({"a.jpg": ["bird"]})
    assert found[0].reason == "changed since it was scanned; run autotag scan"
    assert desk.names() == []


def test_a_sidecar_that_another_program_changed_since_the_plan_is_refused(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg", "c.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    planned = desk.plan({"a.jpg": ["bird"], "b.jpg": ["bird"], "c.jpg": ["bird"]})
    changed = IMMICH.replace(b"At the lake", b"At the sea")
    (desk.folder / "a.xmp").write_bytes(changed)
    (desk.folder / "b.xmp").write_bytes(IMMICH)
    found = desk.carry_out(planned)
    assert [each.state for each in found] == ["rejected", "rejected", "new"]
    assert all("another program" in each.reason for each in found[:2])
    assert ((desk.folder / "a.xmp").read_bytes(), (desk.folder / "b.xmp").read_bytes()) == (changed, IMMICH)


def test_a_sidecar_changed_at_the_very_last_moment_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While ExifTool worked on the copies, both had not changed; then another program writes."""
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    changed = IMMICH.replace(b"At the lake", b"At the sea")
    planned = desk.plan({"a.jpg": ["bird"], "b.jpg": ["bird"]})
    made_sidecars = sidecar_write.made_sidecars
    monkeypatch.setattr(
        sidecar_write, "made_sidecars", lambda *parts: _then(made_sidecars(*parts), desk, changed)
    )
    found = desk.carry_out(planned)
    assert [each.state for each in found] == ["rejected", "rejected"]
    assert ((desk.folder / "a.xmp").read_bytes(), (desk.folder / "b.xmp").read_bytes()) == (changed, IMMICH)
    assert owned_keywords(desk.runs, desk.place, desk.place) == {}
    assert desk.undo() == []


def _then(made: object, desk: Desk, changed: bytes) -> object:
    (desk.folder / "a.xmp").write_bytes(changed)
    (desk.folder / "b.xmp").write_bytes(IMMICH)
    return made


def test_a_sidecar_changed_since_a_dry_run_is_rejected(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    approved = {"a.jpg": ["bird"], "b.jpg": ["bird"]}
    expected = KeptPlan({each.sidecar: each.current_sha256 for each in desk.plan(approved)}, is_shadow=False)
    assert expected.hashes["b.xmp"] == ""
    (desk.folder / "a.xmp").write_bytes(IMMICH.replace(b"At the lake", b"At the sea"))
    found = desk.write(approved, expected)
    assert [each.state for each in found] == ["rejected", "new"]
    assert "since the dry run" in found[0].reason


def test_permissions_of_a_sidecar_are_kept(desk: Desk) -> None:
    desk.images("a.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    (desk.folder / "a.xmp").chmod(0o640)
    desk.write({"a.jpg": ["bird"]})
    assert (desk.folder / "a.xmp").stat().st_mode & 0o777 == 0o640


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


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4), min_size=1, max_size=20))
def test_any_label_is_written_as_it_is_or_rejects_its_image(
    tmp_path_factory: pytest.TempPathFactory, approved: list[list[str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    names = [f"p{number:02d}.jpg" for number in range(len(approved))]
    desk.images(*names)
    found = desk.write(dict(zip(names, approved, strict=True)))
    for labels, plan in zip(approved, found, strict=True):
        refused = any(refusal(label) for label in labels)
        assert plan.state == ("rejected" if refused else "new"), plan.reason
        if not refused:
            leaves = {same_word(label.split("|")[-1].strip()) for label in labels}
            assert {same_word(word) for word in desk.keywords(plan.sidecar)[SUBJECT]} == leaves
