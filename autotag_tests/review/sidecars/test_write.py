"""Sidecars written by the real ExifTool: what others wrote is kept, and originals are not touched."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT, TAGS_LIST
from autotag.review.sidecars.xml_packet import read_packet
from autotag_tests.review.sidecar_samples import IMMICH, STYLES, Desk, listed, original, packet, states


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


def test_permissions_of_a_sidecar_are_kept(desk: Desk) -> None:
    desk.images("a.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    (desk.folder / "a.xmp").chmod(0o640)
    desk.write({"a.jpg": ["bird"]})
    assert (desk.folder / "a.xmp").stat().st_mode & 0o777 == 0o640
