"""review_sheet: a folder's images, their best labels and approved tags, as a CSV to look at, to edit and to import again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.ledger_entries import EffectiveTag, Standing
from autotag.errors import ModelMismatchError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet.columns import SheetRow, sheet_bytes
from autotag.review.sheet.exports import ExportedImage, SheetExport, write_sheet
from autotag.storage.folder_files import printable
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import read_stamp, read_table

ROWS_A_REPORT = 1000
"""Rows of the sheet between two words of how far it is."""

_SCORE_COLUMNS = ["file", "media_id", "topk_labels", "topk_scores"]


@dataclass(frozen=True, slots=True)
class WrittenSheet:
    """What a sheet came to.

    Attributes:
        counts: images of the manifest in, rows out.
        scored: rows with labels.
        approved: rows with approved tags.
        kept: where the sheet before was put that somebody had edited; None where nobody had.
    """

    counts: StepCounts
    scored: int
    approved: int
    kept: UPath | None


def write_review_sheet(
    plan: PipelinePlan, key: str, run_id: str, ledger: TagLedger | None, reached: Reached = nobody
) -> WrittenSheet:
    """Write review.csv: a row for each image of the manifest, by file.

    Images without label scores have empty cells there. A sheet that somebody edited where it lies is put aside first.

    Args:
        plan: where things are; its model id is named in the sheet.
        key: the folder.
        run_id: of this export; the rows name it, and an import finds by it what was exported.
        ledger: has the approved tags; None where there can be none: nobody has decided anything.
        reached: told now and then how many rows are made.

    Raises:
        MissingInputError: the folder has no manifest.
        ModelMismatchError: the label scores are another model's.
        InUseError: another process kept the ledger locked.
        UnwritableRootError: the file system refuses.
    """
    tables = plan.layout.folder_tables(key)
    columns = ["file", "media_id", "width", "height"]
    images = read_table(tables.images, columns, made_by=f"target_images of {key}").to_pylist()
    images.sort(key=lambda image: image["file"])
    labels = _best_labels(plan, key, tables)
    exported = _exported(images, ledger)
    reached(0, len(images))
    rows: list[SheetRow] = []
    for row in _rows(f"{plan.layout.folder(key)}", images, labels, exported):
        rows.append(row)
        if len(rows) % ROWS_A_REPORT == 0:
            reached(len(rows), len(images))
    sheet = sheet_bytes(rows, run_id, plan.model_id)
    kept = write_sheet(tables, sheet, SheetExport(run_id, exported))
    counts = StepCounts(taken=len(images), made=len(rows), units=1)
    if kept is not None:
        counts.notes.append(f"the sheet that lay here had been edited: it is kept as {kept}")
    return WrittenSheet(
        counts.close(f"review_sheet of {key}"),
        scored=sum(bool(row.labels) for row in rows),
        approved=sum(bool(row.approved) for row in rows),
        kept=kept,
    )


def _best_labels(
    plan: PipelinePlan, key: str, tables: FolderTables
) -> dict[tuple[str, str], tuple[tuple[str, ...], tuple[float, ...]]]:
    """Labels and their scores by file and media id: of a file that changed since, nothing is known."""
    if not tables.label_scores.exists():
        return {}
    stamp = read_stamp(tables.label_scores)
    if stamp is None or stamp.model_id != plan.model_id:
        made_by = stamp.model_id if stamp else "an unknown model"
        raise ModelMismatchError(
            f"{tables.label_scores} is of {made_by}, the settings name {plan.model_id}; materialise label_scores of {key}"
            " again"
        )
    rows = read_table(tables.label_scores, _SCORE_COLUMNS, made_by=f"label_scores of {key}").to_pylist()
    return {
        (row["file"], row["media_id"]): (tuple(row["topk_labels"]), tuple(row["topk_scores"])) for row in rows
    }


def _exported(images: list[dict[str, Any]], ledger: TagLedger | None) -> dict[str, ExportedImage]:
    media_ids = dict.fromkeys(image["media_id"] for image in images)
    tags: Mapping[str, list[EffectiveTag]] = (
        ledger.effective(media_ids) if ledger else {name: [] for name in media_ids}
    )

    def standing(media: str, wanted: Standing) -> frozenset[str]:
        return frozenset(tag.tag for tag in tags[media] if tag.standing is wanted)

    return {
        image["file"]: ExportedImage(
            image["media_id"],
            standing(image["media_id"], Standing.APPROVED),
            standing(image["media_id"], Standing.REJECTED),
        )
        for image in images
    }


def _rows(
    folder: str,
    images: list[dict[str, Any]],
    labels: Mapping[tuple[str, str], tuple[tuple[str, ...], tuple[float, ...]]],
    exported: Mapping[str, ExportedImage],
) -> Iterator[SheetRow]:
    for image in images:
        file = image["file"]
        names, scores = labels.get((file, image["media_id"]), ((), ()))
        approved = tuple(sorted(exported[file].approved))
        yield SheetRow(
            printable(f"{folder}/{file}"), file, image["width"], image["height"], names, scores, approved
        )
