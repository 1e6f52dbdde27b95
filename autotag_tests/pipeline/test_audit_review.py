"""Audits of thumbnails, medoid and review sheet: silent about what was just made, and a sentence for each damage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.errors import MissingInputError
from autotag.pipeline.audit_review import audit_folder_medoid, audit_review_sheet, audit_thumbnails
from autotag.pipeline.find_medoid import find_medoid
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.write_review_sheet import write_review_sheet
from autotag.storage.folder_tables import FolderTables
from autotag_tests.conftest import Folders, encoded, picture
from autotag_tests.pipeline.review_steps import media_of, open_ledger
from autotag_tests.pipeline.target_steps import process
from autotag_tests.pipeline.test_make_thumbnails import thumbnails


@pytest.fixture
def tables(plan: PipelinePlan, folders: Folders) -> FolderTables:
    """Of a folder of three pictures, two of them the same; everything is made."""
    folders.make("f", {"a.png": picture(0), "copy.png": picture(0), "b.png": picture(1)})
    process(plan, "f")
    thumbnails(plan)
    find_medoid(plan, "f")
    write_sheet(plan)
    return plan.layout.folder_tables("f")


def write_sheet(plan: PipelinePlan) -> None:
    with open_ledger(plan) as ledger:
        write_review_sheet(plan, "f", "run1", ledger)


def test_what_was_just_made_is_sound(plan: PipelinePlan, tables: FolderTables) -> None:
    for audit, items in ((audit_thumbnails, 3), (audit_folder_medoid, 1), (audit_review_sheet, 3)):
        found = audit(plan, "f")
        assert (found.items, found.faults) == (items, ())


@pytest.mark.parametrize("audit", [audit_thumbnails, audit_folder_medoid, audit_review_sheet])
def test_what_was_not_made_is_missing(
    plan: PipelinePlan, folders: Folders, audit: Callable[..., object]
) -> None:
    folders.simple("f", 1)
    process(plan, "f")
    with pytest.raises(MissingInputError):
        audit(plan, "f")


def test_a_thumbnail_that_was_deleted_is_told_for_all_its_images(
    plan: PipelinePlan, tables: FolderTables
) -> None:
    Path(tables.thumbnail(media_of(plan, "f")["a.png"], 64).path).unlink()
    assert audit_thumbnails(plan, "f").faults == ("2 thumbnails do not lie there, such as a.png",)


def test_thumbnails_of_an_earlier_manifest_are_told(plan: PipelinePlan, tables: FolderTables) -> None:
    folder = Path(plan.layout.folder("f").path)
    (folder / "b.png").rename(folder / "c.png")
    list_target_images(plan, "f")
    assert audit_thumbnails(plan, "f").faults == (
        "1 images of the manifest have neither thumbnail nor reject, such as c.png",
        "1 thumbnails are of no image of the manifest, such as b.png",
    )


def test_an_image_without_thumbnail_that_is_rejected_is_no_fault(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.errors import RejectedImageError
    from autotag.pipeline import make_thumbnails

    def refuse(*_: object, **__: object) -> None:
        raise RejectedImageError("decode", "no picture")

    folders.make("f", {"a.png": picture(0)})
    monkeypatch.setattr(make_thumbnails, "decode_small", refuse)
    assert thumbnails(plan).rejected == 1
    found = audit_thumbnails(plan, "f")
    assert (found.items, found.faults) == (1, ())


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"file": "z.png"}, "z.png is no image of the manifest"),
        ({"file": "b.png", "media_id": "0" * 64}, "b.png has another content by now"),
        ({"cosine_to_centroid": 1.01}, "1.01 is no cosine"),
        ({"cosine_to_centroid": float("nan")}, "nan is no cosine"),
        ({"cosine_to_centroid": None}, "None is no cosine"),
    ],
)
def test_a_medoid_that_is_none_is_told(
    plan: PipelinePlan, tables: FolderTables, changed: dict[str, object], fault: str
) -> None:
    path = Path(tables.medoid.path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    assert audit_folder_medoid(plan, "f").faults == (fault,)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_medoid_is_told(plan: PipelinePlan, tables: FolderTables, text: str) -> None:
    Path(tables.medoid.path).write_text(text)
    (fault,) = audit_folder_medoid(plan, "f").faults
    assert f"{tables.medoid} is no" in fault


def test_a_folder_without_vectors_needs_no_medoid(plan: PipelinePlan, folders: Folders) -> None:
    from autotag.models.fakes import magic_image

    folders.make("f", {"sick.png": encoded(magic_image("embed_error"))})
    process(plan, "f")
    find_medoid(plan, "f")
    assert audit_folder_medoid(plan, "f").faults == ()


def test_rows_that_are_gone_strange_or_there_twice_are_told(plan: PipelinePlan, tables: FolderTables) -> None:
    path = Path(tables.review_sheet.path)
    head, first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + first + second.replace(b"b.png", b"z.png"))
    assert third
    assert audit_review_sheet(plan, "f").faults == (
        "2 images of the manifest have no row, such as b.png",
        "1 rows are of no image of the manifest, such as z.png",
        "1 images have several rows, such as a.png",
    )


def test_a_sheet_that_cannot_be_read_is_told(plan: PipelinePlan, tables: FolderTables) -> None:
    Path(tables.review_sheet.path).write_bytes(b"\xff\xfe\x00")
    (fault,) = audit_review_sheet(plan, "f").faults
    assert "save the sheet as CSV" in fault
