"""A sidecar that is damaged, no file, or not what it was any more is left alone, and told."""

import os
from pathlib import Path

import pytest

from autotag.review.sidecars import write as sidecar_write
from autotag.review.sidecars.runs import owned_keywords
from autotag_tests.review.sidecar_samples import IMMICH, Desk, kept_plan, original


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
    expected = kept_plan(desk.plan(approved))
    assert expected.of("b.xmp").sha256 == ""
    (desk.folder / "a.xmp").write_bytes(IMMICH.replace(b"At the lake", b"At the sea"))
    found = desk.write(approved, expected)
    assert [each.state for each in found] == ["rejected", "new"]
    assert "since the dry run" in found[0].reason


def test_only_what_a_dry_run_said_is_written_whatever_was_approved_since(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg", "c.jpg")
    seen = {"a.jpg": ["bird"], "b.jpg": ["bird"], "c.jpg": []}
    expected = kept_plan(desk.plan(seen))
    found = desk.write({**seen, "b.jpg": ["bird", "dog"], "c.jpg": ["dog"]}, expected)
    assert [each.state for each in found] == ["new", "rejected", "rejected"]
    assert all("that the dry run did not say" in each.reason for each in found[1:])
    assert not (desk.folder / "b.xmp").exists()
    assert not (desk.folder / "c.xmp").exists()


def test_what_a_dry_run_said_and_somebody_wrote_already_is_no_refusal(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    desk.write({"a.jpg": ["bird"], "b.jpg": []})
    expected = kept_plan(desk.plan({"a.jpg": ["bird"], "b.jpg": ["sea"]}))
    found = desk.write({"a.jpg": ["bird"], "b.jpg": ["sea"]}, expected)
    assert [each.state for each in found] == ["unchanged", "new"]
