import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from autotag.domain.identity import folder_key
from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.domain.schemas import label_scores
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.write_review_sheet import write_review_sheet
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet import exports as sheet_exports
from autotag.review.sheet.exports import read_export
from autotag.storage.tables import Stamp, read_table, write_table
from autotag_tests.conftest import Folders, picture


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        yield ledger


def listed(plan: PipelinePlan, folders: Folders) -> dict[str, str]:
    """A folder of three pictures, one of them twice; media ids by file."""
    files = {"b.png": picture(1), "a b.png": picture(2), "-c.png": picture(1), "broken.jpg": b"no"}
    folders.make("trip/one", files)
    list_target_images(plan, "trip/one")
    rows = read_table(plan.layout.folder_tables("trip/one").images).to_pylist()
    return {row["file"]: row["media_id"] for row in rows}


def score(plan: PipelinePlan, media: dict[str, str], model_id: str = "") -> None:
    """Label scores of some files."""
    schema = label_scores(2)
    rows = [
        {
            "file": file,
            "media_id": media[file],
            "top1": "sea|calm",
            "top1_score": 0.5,
            "topk_labels": ["sea|calm", "bird"],
            "topk_scores": [0.5, -0.25],
            "over_threshold": ["sea|calm"],
            "image_scores": [-0.25, 0.5],
            "scores": [-0.25, 0.5],
            "best_region": [0, 0],
        }
        for file in sorted(media)
    ]
    stamp = Stamp("label_scores", model_id or plan.model_id, "x", {"labels": ["bird", "sea|calm"]})
    table = pa.Table.from_pylist(rows, schema=schema)
    write_table(plan.layout.folder_tables("trip/one").label_scores, table, schema, stamp)


def rows_of(plan: PipelinePlan) -> list[dict[str, str]]:
    data = plan.layout.folder_tables("trip/one").review_sheet.read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_without_a_ledger_nothing_is_approved(plan: PipelinePlan, folders: Folders) -> None:
    listed(plan, folders)
    written = write_review_sheet(plan, "trip/one", "run1", None)
    assert (written.counts.made, written.approved) == (3, 0)
    assert [row["approved_labels"] for row in rows_of(plan)] == [""] * 3


def test_every_image_of_the_manifest_is_a_row_by_file(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    media = listed(plan, folders)
    written = write_review_sheet(plan, "trip/one", "run1", ledger)
    assert (written.counts.taken, written.counts.made, written.scored, written.approved) == (3, 3, 0, 0)
    rows = rows_of(plan)
    assert [row["rel_path"] for row in rows] == ["'-c.png", "a b.png", "b.png"]
    assert [row["path"] for row in rows] == [
        f"{folders.data}/target/trip/one/{name}" for name in ("-c.png", "a b.png", "b.png")
    ]
    assert all(Path(row["path"]).is_file() for row in rows)
    assert {(row["run_id"], row["model_name"]) for row in rows} == {("run1", plan.model_id)}
    assert {(row["width"], row["height"]) for row in rows} == {("64", "48")}
    assert all(row["top1"] == row["top5_scores"] == row["approved_labels"] == "" for row in rows)
    export = read_export(plan.layout.folder_tables("trip/one"), "run1")
    assert export is not None
    assert {file: image.media_id for file, image in export.images.items()} == media


def test_scores_and_approved_tags_stand_where_they_belong(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    media = listed(plan, folders)
    score(plan, {"b.png": media["b.png"], "a b.png": "0" * 64})  # the second is of other bytes
    given = [("sea", Action.ADD), ("a|b", Action.ADD), ("bird", Action.REJECT)]
    ledger.decide([Decision(media["b.png"], tag, action) for tag, action in given], "ann")
    ledger.propose("m1", "m", media.values(), ["vote"], [Proposal(media["a b.png"], "x", "vote", 0.5)])
    written = write_review_sheet(plan, "trip/one", "run1", ledger)
    assert (written.scored, written.approved) == (1, 2)
    minus, other, b = rows_of(plan)
    assert (b["top1"], b["top1_score"]) == ("sea|calm", "0.5000")
    assert (b["top5_labels"], b["top5_scores"]) == ("sea\\|calm|bird", "0.5000|-0.2500")
    assert b["approved_labels"] == minus["approved_labels"] == "a\\|b|sea"
    assert other["top1"] == other["approved_labels"] == ""
    export = read_export(plan.layout.folder_tables("trip/one"), "run1")
    assert export is not None
    assert export.images["b.png"].approved == {"a|b", "sea"}
    assert export.images["b.png"].rejected == {"bird"}


def test_the_same_state_gives_the_same_sheet(plan: PipelinePlan, folders: Folders, ledger: TagLedger) -> None:
    listed(plan, folders)
    path = plan.layout.folder_tables("trip/one").review_sheet
    assert write_review_sheet(plan, "trip/one", "run1", ledger).kept is None
    before = path.read_bytes()
    assert write_review_sheet(plan, "trip/one", "run1", ledger).kept is None
    assert path.read_bytes() == before


def test_a_sheet_that_was_edited_where_it_lies_is_kept(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    listed(plan, folders)
    tables = plan.layout.folder_tables("trip/one")
    write_review_sheet(plan, "trip/one", "run1", ledger)
    edited = tables.review_sheet.read_bytes().replace(b",run1", b"bird,run1")
    tables.review_sheet.write_bytes(edited)
    written = write_review_sheet(plan, "trip/one", "run2", ledger)
    assert written.kept is not None
    assert written.kept.read_bytes() == edited
    assert str(written.kept) in written.counts.notes[0]
    assert rows_of(plan)[0]["run_id"] == "run2"
    assert read_export(tables, "run1") is not None


def test_only_the_last_exports_are_remembered(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_exports, "KEPT", 2)
    listed(plan, folders)
    tables = plan.layout.folder_tables("trip/one")
    for number in range(4):
        write_review_sheet(plan, "trip/one", f"run{number}", ledger)
    remembered = [read_export(tables, f"run{number}") is not None for number in range(4)]
    assert remembered == [False, False, True, True]


def test_an_export_is_no_path_that_somebody_wrote_into_a_sheet(plan: PipelinePlan, folders: Folders) -> None:
    listed(plan, folders)
    for run_id in ("", "../images", "a/b", ".x", "x" * 200):
        assert read_export(plan.layout.folder_tables("trip/one"), run_id) is None


def test_a_folder_without_a_manifest_and_scores_of_another_model_are_told(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    with pytest.raises(MissingInputError, match="materialise target_images of trip/one first"):
        write_review_sheet(plan, "trip/one", "run1", ledger)
    score(plan, listed(plan, folders), "other+model")
    with pytest.raises(ModelMismatchError, match=r"is of other\+model"):
        write_review_sheet(plan, "trip/one", "run1", ledger)
    assert not plan.layout.folder_tables("trip/one").review_sheet.exists()


def test_an_empty_folder_has_a_sheet_without_rows(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    folders.make("trip/one", {})
    list_target_images(plan, "trip/one")
    assert write_review_sheet(plan, "trip/one", "run1", ledger).counts.made == 0
    assert rows_of(plan) == []


def test_the_model_of_the_settings_is_named(plan: PipelinePlan, folders: Folders, ledger: TagLedger) -> None:
    listed(plan, folders)
    write_review_sheet(replace(plan, model_id="a+b"), "trip/one", "run1", ledger)
    assert rows_of(plan)[0]["model_name"] == "a+b"


def test_a_folder_whose_name_is_no_utf8_has_a_sheet(
    plan: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    folders.make("trip/caf\udce9", {"b.png": picture(1)})
    key = folder_key("trip/caf\udce9")
    list_target_images(plan, key)
    assert write_review_sheet(plan, key, "run1", ledger).counts.made == 1
    data = plan.layout.folder_tables(key).review_sheet.read_bytes()
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    assert row["path"] == f"{folders.data}/target/trip/caf\\xe9/b.png"
