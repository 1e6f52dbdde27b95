"""A damaged sidecar is kept under another name where a person asks for it, and a new one takes its place."""

import os
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import SidecarError
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.plan import SidecarPlaces, SidecarTask, plan_sidecars
from autotag.review.sidecars.runs import owned_keywords
from autotag_tests.review.sidecar_samples import IMMICH, Desk, listed, packet, states

APPROVED = {"a.jpg": ["bird"]}
DAMAGES = {"empty": b"", "half": IMMICH[:300], "no XMP": b"<a/>", "document type": b"<!DOCTYPE a>" + IMMICH}


def damaged(desk: Desk, data: bytes = b"half a", name: str = "a.xmp") -> tuple[bytes, int, int]:
    """A damaged sidecar with an odd time and odd permissions."""
    desk.images("a.jpg")
    path = desk.folder / name
    path.write_bytes(data)
    path.chmod(0o640)
    os.utime(path, ns=(1_000_000_001, 1_000_000_001))
    return facts(path)


def facts(path: Path) -> tuple[bytes, int, int]:
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode


@pytest.mark.parametrize("data", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_sidecar_is_kept_and_a_new_one_written_and_an_undo_puts_it_back(
    desk: Desk, data: bytes
) -> None:
    before = damaged(desk, data)
    (found,) = desk.write(APPROVED, set_damaged_aside=True)
    assert (found.state, found.aside) == ("new", "a.xmp.damaged")
    assert facts(desk.folder / "a.xmp.damaged") == before
    assert desk.keywords("a.xmp") == {SUBJECT: ("bird",)}
    assert states(desk.write(APPROVED)) == {"unchanged": 1}
    first = next(run for run in desk.all_runs() if run.has_written(desk.place, desk.place))
    assert states(desk.undo(first)) == {"restored": 1}
    assert facts(desk.folder / "a.xmp") == before
    assert desk.names() == ["a.jpg", "a.xmp"]
    assert owned_keywords(desk.runs, desk.place, desk.place) == {}


def test_without_being_asked_it_stays_and_the_way_on_is_told(desk: Desk) -> None:
    before = damaged(desk)
    (found,) = desk.write(APPROVED)
    assert (found.state, found.aside) == ("rejected", "")
    assert found.reason.startswith("it is no XML")
    assert found.reason.endswith(
        "; autotag sidecars --set-damaged-aside keeps it as a.xmp.damaged and writes a new one"
    )
    assert facts(desk.folder / "a.xmp") == before
    assert desk.names() == ["a.jpg", "a.xmp"]


def test_what_was_set_aside_before_stays_too(desk: Desk) -> None:
    damaged(desk, b"first", "A.XMP.DAMAGED")
    damaged(desk, b"second")
    (found,) = desk.write(APPROVED, set_damaged_aside=True)
    assert found.aside == "a.xmp.damaged-2"
    assert (desk.folder / "A.XMP.DAMAGED").read_bytes() == b"first"
    assert (desk.folder / "a.xmp.damaged-2").read_bytes() == b"second"


def test_an_undo_leaves_what_a_person_did_to_it_since(desk: Desk) -> None:
    before = damaged(desk)
    desk.write(APPROVED, set_damaged_aside=True)
    (desk.folder / "a.xmp.damaged").write_bytes(b"repaired")
    assert states(desk.undo()) == {"restored": 1}
    assert facts(desk.folder / "a.xmp") == before
    assert (desk.folder / "a.xmp.damaged").read_bytes() == b"repaired"


def test_one_that_another_program_repairs_meanwhile_stays_and_none_lies_aside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged(desk)
    replace = SidecarPlace.replace

    def repaired(place: SidecarPlace, name: str, *how: object) -> None:
        if name == "a.xmp":
            (desk.folder / "a.xmp").write_bytes(IMMICH)
        replace(place, name, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(SidecarPlace, "replace", repaired)
    (found,) = desk.write(APPROVED, set_damaged_aside=True)
    assert (found.state, found.aside) == ("rejected", "")
    assert (desk.folder / "a.xmp").read_bytes() == IMMICH
    assert desk.names() == ["a.jpg", "a.xmp"]


def test_where_nothing_is_to_be_written_nothing_is_set_aside(desk: Desk) -> None:
    desk.images("a.jpg")
    desk.write(APPROVED)
    damaged(desk)
    (found,) = desk.write({"a.jpg": []}, set_damaged_aside=True)
    assert (found.state, "--set-damaged-aside" in found.reason) == ("rejected", False)
    assert desk.names() == ["a.jpg", "a.xmp"]


def test_a_sound_sidecar_and_one_of_odd_keywords_are_not_damaged(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    odd = packet(body='<dc:subject rdf:parseType="Resource"><dc:x>1</dc:x></dc:subject>')
    (desk.folder / "b.xmp").write_bytes(odd)
    found = desk.write({"a.jpg": ["bird"], "b.jpg": ["bird"]}, set_damaged_aside=True)
    assert [(each.state, each.aside) for each in found] == [("merged", ""), ("rejected", "")]
    assert (desk.folder / "b.xmp").read_bytes() == odd


def test_in_a_shadow_only_the_shadows_own_goes_aside(desk: Desk, tmp_path: Path) -> None:
    desk.images("a.jpg", "b.jpg")
    shadow = SidecarPlace(UPath(tmp_path / "shadow"))
    (tmp_path / "shadow").mkdir()
    desk.places = SidecarPlaces(desk.place, shadow)
    (desk.folder / "a.xmp").write_bytes(b"damaged")
    (desk.folder / "b.xmp").write_bytes(packet(body=listed("dc:subject", "mine")))
    (tmp_path / "shadow" / "b.xmp").write_bytes(b"damaged too")
    task = SidecarTask(
        {"a.jpg": ["bird"], "b.jpg": ["bird"]}, frozenset(desk.place.names()), set_damaged_aside=True
    )
    own, shadowed = desk.carry_out(plan_sidecars(desk.places, task))
    assert own.state == "rejected"
    assert own.reason.endswith("cannot be written to, so repair it or take it away there yourself")
    assert (shadowed.state, shadowed.aside) == ("merged", "b.xmp.damaged")
    assert (tmp_path / "shadow" / "b.xmp.damaged").read_bytes() == b"damaged too"
    assert (desk.folder / "a.xmp").read_bytes() == b"damaged"


def test_a_damaged_sidecar_is_an_error_of_sidecars() -> None:
    from autotag.review.sidecars.xml_packet import DamagedSidecarError, read_packet

    assert issubclass(DamagedSidecarError, SidecarError)
    with pytest.raises(DamagedSidecarError):
        read_packet(b"half a")
