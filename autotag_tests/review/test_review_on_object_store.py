"""Sheets, exports and pictures of voters where shards and results lie on an object store."""

import io
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.write_review_sheet import write_review_sheet
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet.importing import ImportOptions, import_sheet
from autotag.review.sheet.label_names import LabelNames
from autotag.review.source_pictures import SourcePictures, SourceRegion
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.test_object_store import (  # noqa: F401 - fixtures
    BUCKET,
    endpoint,
    put,
    store,
    store_plan,
)

pytestmark = pytest.mark.slow


def test_a_region_is_cut_from_a_shard_in_the_store(
    store: UPath,  # noqa: F811
    store_plan: PipelinePlan,  # noqa: F811
    archive: Archive,
) -> None:
    archive.simple("00000", 3)
    put(store, archive.data)
    SourceImagesWorker(store_plan)("00000")
    path = store_plan.layout.source(store_plan.model_id).images("00000")
    row = read_table(path).to_pylist()[1]
    region = SourceRegion("00000", row["key"], row["media_id"], (0, 0, 32, 24))
    pictures = SourcePictures(store_plan.layout, store_plan.limits)
    shown = pictures.picture(store_plan.model_id, region, 16)
    assert Image.open(io.BytesIO(shown.jpeg)).size == (16, 12)
    store.fs.rm_file("autotag/d/source/shards/00000.tar")
    assert "is not there any more" in pictures.picture(store_plan.model_id, region, 17).reason


def test_a_sheet_goes_to_the_store_and_its_edits_come_back(
    store: UPath,  # noqa: F811
    store_plan: PipelinePlan,  # noqa: F811
    folders: Folders,
    tmp_path: Path,
) -> None:
    folders.simple("trip", 3)
    put(store, folders.data)
    list_target_images(store_plan, "trip")
    tables = store_plan.layout.folder_tables("trip")
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        write_review_sheet(store_plan, "trip", "run1", ledger)
        text = tables.review_sheet.read_bytes().decode("utf-8")
        assert f"{BUCKET}/d/target/trip/p000.png,p000.png," in text
        edited = tmp_path / "edited.csv"
        edited.write_text(text.replace(",run1", "bird,run1", 1), encoding="utf-8", newline="")
        labels = LabelNames(lambda: ["bird"])
        report = import_sheet(store_plan.layout, ledger, edited, labels, ImportOptions())
        assert (report.outcomes["imported"], report.outcomes["unchanged"]) == (1, 2)
        tables.review_sheet.write_bytes(edited.read_bytes())
        kept = write_review_sheet(store_plan, "trip", "run2", ledger).kept
        assert kept is not None
        assert kept.read_bytes() == edited.read_bytes()
