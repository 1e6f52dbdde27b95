"""A folder's approvals in the ledger become sidecars in the folder, or in its shadow with a loud notice."""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from upath import UPath

from autotag.domain.identity import media_id
from autotag.domain.ledger_entries import Action, Decision
from autotag.domain.schemas import TARGET_IMAGES
from autotag.errors import MissingInputError, SidecarError
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sidecars import place as sidecar_place
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.folder import FolderSidecars, folder_sidecars, undo_folder_sidecars
from autotag.review.sidecars.plan import KeptPlan, SidecarWishes
from autotag.review.sidecars.xml_packet import read_packet
from autotag.settings import Settings
from autotag.storage.folder_files import list_files
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of
from autotag.storage.tables import Stamp, write_table
from autotag_tests.conftest import Folders, snapshot
from autotag_tests.review.sidecar_samples import DARKTABLE, IMMICH, kept_plan, states

KEY = "birds"


def manifest(layout: Layout, files: Mapping[str, bytes]) -> None:
    """images.parquet of the folder, whose files are there."""
    names = sorted(files)
    times = {file.name: file.mtime_ns for file in list_files(layout.folder(KEY))}
    columns = {
        "file": names,
        "media_id": [media_id(files[name]) for name in names],
        "size_bytes": [len(files[name]) for name in names],
        "mtime_ns": [times[name] for name in names],
        "width": [1] * len(names),
        "height": [1] * len(names),
        "format": ["PNG"] * len(names),
        "phash": ["0" * 16] * len(names),
        "taken_at": [None] * len(names),
    }
    write_table(
        layout.folder_tables(KEY).images, pa.table(columns, schema=TARGET_IMAGES), TARGET_IMAGES, Stamp("x")
    )


def decide(layout: Layout, settings: Settings, tags: Mapping[bytes, Sequence[tuple[str, Action]]]) -> None:
    decisions = [
        Decision(media_id(data), tag, action) for data, given in tags.items() for tag, action in given
    ]
    with TagLedger.open(ledger_url(settings, layout)) as ledger:
        ledger.decide(decisions, "ann")


@pytest.fixture
def layout(settings: Settings) -> Layout:
    return layout_of(settings)


@pytest.fixture
def folder(folders: Folders, layout: Layout, settings: Settings) -> Path:
    """a.jpg and its copy are approved as bird, b.jpg has a rejected tag, c.jpg nobody has looked at."""
    files = {"a.jpg": b"A", "copy.jpg": b"A", "b.jpg": b"B", "c.jpg": b"C"}
    path = folders.make(KEY, files)
    for second, name in enumerate(files):
        os.utime(path / name, (second, second))
    manifest(layout, files)
    decide(
        layout,
        settings,
        {b"A": [("bird", Action.APPROVE), ("cat", Action.REJECT)], b"B": [("dog", Action.REJECT)]},
    )
    return path


def written(layout: Layout, settings: Settings, *, dry_run: bool = False) -> FolderSidecars:
    return folder_sidecars(layout, settings, KEY, dry_run=dry_run)


def kept(found: FolderSidecars) -> KeptPlan:
    return kept_plan(found.sidecars, is_shadow=found.is_shadow)


def subjects(path: Path) -> tuple[str, ...]:
    return read_packet(path.read_bytes()).keywords.get(SUBJECT, ())


def test_approved_tags_are_written_for_every_copy_and_nothing_for_the_others(
    folder: Path, layout: Layout, settings: Settings
) -> None:
    found = written(layout, settings)
    assert states(found.sidecars) == {"new": 2}
    assert {path.name for path in folder.iterdir() if path.suffix == ".xmp"} == {"a.xmp", "copy.xmp"}
    assert subjects(folder / "a.xmp") == subjects(folder / "copy.xmp") == ("bird",)
    assert (found.is_shadow, found.notice, found.place) == (False, "", str(folder))


def test_counts_close_over_images_with_approvals(folder: Path, layout: Layout, settings: Settings) -> None:
    (folder / "copy.xmp").write_bytes(b"damaged")
    written(layout, settings)
    found = written(layout, settings)
    counts = found.counts("step")
    assert (counts.taken, counts.made, counts.rejected, counts.reused) == (2, 1, 1, 1)
    report = json.loads(UPath(found.report).read_text())["sidecars"]
    assert {each["sidecar"]: each["state"] for each in report} == {
        "a.xmp": "unchanged",
        "copy.xmp": "rejected",
    }


def test_a_decision_taken_back_takes_the_keyword_back(
    folder: Path, layout: Layout, settings: Settings
) -> None:
    written(layout, settings)
    decide(layout, settings, {b"A": [("bird", Action.REJECT), ("sea", Action.ADD)]})
    written(layout, settings)
    assert subjects(folder / "a.xmp") == ("sea",)


def test_tags_of_a_file_that_changed_places_since_the_scan_go_into_no_sidecar(
    folder: Path, layout: Layout, settings: Settings
) -> None:
    (folder / "a.jpg").rename(folder / "aside.jpg")
    (folder / "b.jpg").rename(folder / "a.jpg")
    (folder / "aside.jpg").rename(folder / "b.jpg")
    found = written(layout, settings)
    assert {each.sidecar: each.state for each in found.sidecars} == {"a.xmp": "rejected", "copy.xmp": "new"}
    assert found.sidecars[0].reason == "changed since it was scanned; run autotag scan"
    counts = found.counts("step")
    assert (counts.taken, counts.made, counts.rejected) == (2, 1, 1)
    assert not (folder / "a.xmp").exists()


@pytest.mark.parametrize("data", [b"AA", b"B", None], ids=["resized", "rewritten", "gone"])
def test_keywords_of_a_file_that_is_another_by_now_stay_as_they_are(
    folder: Path, layout: Layout, settings: Settings, data: bytes | None
) -> None:
    written(layout, settings)
    before = (folder / "a.xmp").read_bytes()
    decide(layout, settings, {b"A": [("bird", Action.REJECT)]})
    (folder / "a.jpg").unlink()
    if data is not None:
        (folder / "a.jpg").write_bytes(data)
    found = written(layout, settings)
    assert {each.sidecar: each.state for each in found.sidecars} == {
        "a.xmp": "rejected",
        "copy.xmp": "merged",
    }
    assert (folder / "a.xmp").read_bytes() == before


def test_undo_leaves_the_folder_as_it_was(folder: Path, layout: Layout, settings: Settings) -> None:
    (folder / "a.xmp").write_bytes(IMMICH)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    found = written(layout, settings)
    assert states(undo_folder_sidecars(layout, KEY, found.run)) == {"restored": 1, "removed": 1}
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_a_dry_run_writes_nothing_anywhere_and_needs_no_exiftool(
    folder: Path, layout: Layout, settings: Settings
) -> None:
    (folder / "a.xmp").write_bytes(DARKTABLE)
    roots = [Path(layout.target.path), Path(layout.target_processed.path)]
    before = [snapshot(root) for root in roots]
    without = settings.model_copy(
        update={"sidecars": settings.sidecars.model_copy(update={"exiftool": "no-such-exiftool"})}
    )
    found = written(layout, without, dry_run=True)
    assert {each.sidecar: each.state for each in found.sidecars} == {"a.xmp": "merged", "copy.xmp": "new"}
    assert found.sidecars[0].added[SUBJECT] == ("bird",)
    assert [snapshot(root) for root in roots] == before
    with pytest.raises(SidecarError, match="install ExifTool"):
        written(layout, without)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Even an administrator's tests see a folder that may not be written to."""
    access = os.access
    monkeypatch.setattr(
        sidecar_place.os, "access", lambda path, mode: Path(path) != folder and access(path, mode)
    )
    return folder


def test_a_read_only_folder_gets_a_shadow_and_a_loud_notice(
    read_only: Path, layout: Layout, settings: Settings
) -> None:
    (read_only / "a.xmp").write_bytes(IMMICH)
    before = snapshot(read_only)
    found = written(layout, settings)
    shadow = Path(layout.folder_tables(KEY).shadow_sidecars.path)
    assert states(found.sidecars) == {"merged": 1, "new": 1}
    assert snapshot(read_only) == before
    assert "CANNOT BE WRITTEN TO" in found.notice
    assert str(shadow) in found.notice
    assert subjects(shadow / "a.xmp") == subjects(shadow / "copy.xmp") == ("bird",)
    assert read_packet((shadow / "a.xmp").read_bytes()).foreign == read_packet(IMMICH).foreign


def test_the_shadow_follows_the_folders_own_sidecar(
    read_only: Path, layout: Layout, settings: Settings
) -> None:
    (read_only / "a.xmp").write_bytes(IMMICH)
    written(layout, settings)
    assert states(written(layout, settings).sidecars) == {"unchanged": 2}
    (read_only / "a.xmp").write_bytes(IMMICH.replace(b"At the lake", b"At the sea"))
    found = written(layout, settings)
    assert states(found.sidecars) == {"merged": 1, "unchanged": 1}
    shadow = Path(layout.folder_tables(KEY).shadow_sidecars.path)
    assert b"At the sea" in (shadow / "a.xmp").read_bytes()
    assert states(undo_folder_sidecars(layout, KEY, found.run)) == {"restored": 1}
    assert b"At the lake" in (shadow / "a.xmp").read_bytes()


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A server's folder that looks as if it took files, and does not: only the write finds out."""
    touch = Path.touch

    def refuse(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        if path.parent == folder:
            raise PermissionError(errno.EACCES, "refused by the server")
        touch(path, mode, exist_ok)

    monkeypatch.setattr(sidecar_place.Path, "touch", refuse)
    return folder


def test_a_plan_holds_where_only_the_write_finds_the_folder_refusing(
    refusing: Path, layout: Layout, settings: Settings
) -> None:
    (refusing / "a.xmp").write_bytes(IMMICH)
    seen = kept(written(layout, settings, dry_run=True))
    found = folder_sidecars(layout, settings, KEY, SidecarWishes(seen))
    assert (seen.is_shadow, found.is_shadow) == (False, True)
    assert states(found.sidecars) == {"merged": 1, "new": 1}
    decide(layout, settings, {b"A": [("sea", Action.ADD)]})
    again = kept(written(layout, settings, dry_run=True))
    (refusing / "a.xmp").write_bytes(DARKTABLE)
    found = folder_sidecars(layout, settings, KEY, SidecarWishes(again))
    assert {each.sidecar: each.state for each in found.sidecars} == {
        "a.xmp": "rejected",
        "copy.xmp": "merged",
    }
    assert "since the dry run" in found.sidecars[0].reason


def test_a_plan_of_the_shadow_does_not_hold_in_a_folder_that_takes_files_by_now(
    folder: Path, layout: Layout, settings: Settings
) -> None:
    with pytest.raises(SidecarError, match=r"birds can be written to, which it could not.*--dry-run"):
        folder_sidecars(layout, settings, KEY, SidecarWishes(KeptPlan({}, is_shadow=True)))


def test_an_object_stores_folder_gets_a_shadow(settings: Settings, layout: Layout, tmp_path: Path) -> None:
    from dataclasses import replace

    target = UPath(f"memory://{tmp_path.name}/target")
    stored = replace(layout, target=target)
    (target / KEY).mkdir(parents=True, exist_ok=True)
    (target / KEY / "a.jpg").write_bytes(b"A")
    (target / KEY / "a.xmp").write_bytes(IMMICH)
    manifest(stored, {"a.jpg": b"A"})
    decide(stored, settings, {b"A": [("bird", Action.APPROVE)]})
    found = folder_sidecars(stored, settings, KEY)
    assert (states(found.sidecars), found.is_shadow) == ({"merged": 1}, True)
    shadow = Path(stored.folder_tables(KEY).shadow_sidecars.path)
    assert read_packet((shadow / "a.xmp").read_bytes()).foreign == read_packet(IMMICH).foreign
    assert (target / KEY / "a.xmp").read_bytes() == IMMICH


def test_a_folder_that_is_gone_and_one_without_a_ledger_are_sentences(
    folders: Folders, layout: Layout, settings: Settings
) -> None:
    with pytest.raises(MissingInputError, match="birds is not there"):
        written(layout, settings)
    folders.make(KEY, {"a.jpg": b"A"})
    manifest(layout, {"a.jpg": b"A"})
    with pytest.raises(MissingInputError, match=r"ledger\.sqlite"):
        written(layout, settings)
