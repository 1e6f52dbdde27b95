"""Audit of a folder's label scores: one row an embedded image, cosines that are cosines."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.label_score_rows import rows_at_once
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.label_files import is_without_labels
from autotag.storage.tables import iter_batches, read_stamp, read_table

_COLUMNS = ["file", "image_scores", "scores"]


def audit_label_scores(plan: PipelinePlan, key: str, settings: Settings) -> Audit:
    """Label scores of a folder: exactly the embedded images, finite cosines in [-1, 1], a best region no worse than the image.

    Without a label list there need not be any.

    Raises:
        MissingInputError: there are no scores, or no vectors.
    """
    tables = plan.layout.folder_tables(key)
    if is_without_labels(settings) and not tables.label_scores.exists():
        return Audit(0, ())
    stamp = read_stamp(tables.label_scores)
    if stamp is None:
        raise MissingInputError(
            f"{tables.label_scores} is not there; materialise label_scores of {key} first"
        )
    embedded = set(read_table(tables.embeddings, ["file"])["file"].to_pylist())
    files: list[str] = []
    wild, worse = 0, 0
    for batch in iter_batches(tables.label_scores, _COLUMNS, rows_at_once(len(stamp.extra["labels"]))):
        image_scores, scores = (_numbers(batch.column(name)) for name in _COLUMNS[1:])
        files += batch.column("file").to_pylist()
        wild += sum(int(np.count_nonzero(~(np.abs(values) <= 1))) for values in (image_scores, scores))
        worse += int(np.count_nonzero(scores < image_scores))
    made = StepCounts(**stamp.extra["counts"]).made
    told = {
        f"made by {stamp.model_id}, the settings name {plan.model_id}": stamp.model_id != plan.model_id,
        f"{wild} scores are no cosines": wild > 0,
        f"{worse} best regions are worse than the whole image": worse > 0,
        f"rows: {len(files)}, images out: {made}": len(files) != made,
        f"rows: {len(files)}, different files: {len(set(files))}": len(files) != len(set(files)),
        f"{len(embedded - set(files))} embedded images are not scored": not embedded <= set(files),
        f"{len(set(files) - embedded)} scored images are not embedded": not set(files) <= embedded,
    }
    return Audit(len(files), tuple(fault for fault, is_so in told.items() if is_so))


def _numbers(column: pa.Array) -> npt.NDArray[np.float32]:
    return column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
