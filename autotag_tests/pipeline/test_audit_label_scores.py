from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from autotag.domain.schemas import label_scores
from autotag.errors import MissingInputError
from autotag.pipeline.audit_label_scores import audit_label_scores
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import score_labels
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import LABELS, colour_folder, rules


@pytest.fixture
def scored(plan: PipelinePlan, folders: Folders) -> pa.Table:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules())
    return read_table(plan.layout.folder_tables("trip").label_scores)


def faults_of(plan: PipelinePlan, table: pa.Table) -> tuple[str, ...]:
    path = plan.layout.folder_tables("trip").label_scores
    stamp = read_stamp(path)
    assert stamp is not None
    write_table(path, table, label_scores(len(LABELS)), stamp)
    return audit_label_scores(plan, "trip", Settings()).faults


def with_score(table: pa.Table, column: str, value: float) -> pa.Table:
    """The second image's third score, changed."""
    scores = np.array(table[column].to_pylist(), np.float16)
    scores[1, 2] = value
    place, kind = table.column_names.index(column), table.schema.field(column).type
    return table.set_column(
        place, table.schema.field(column), pa.FixedSizeListArray.from_arrays(scores.ravel(), type=kind)
    )


def test_what_was_scored_is_sound(plan: PipelinePlan, scored: pa.Table, settings: Settings) -> None:
    audit = audit_label_scores(plan, "trip", settings)
    assert (audit.items, audit.faults) == (5, ())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5, -1.5])
def test_a_score_that_is_no_cosine_is_told(plan: PipelinePlan, scored: pa.Table, value: float) -> None:
    assert "1 scores are no cosines" in faults_of(plan, with_score(scored, "image_scores", value))


def test_a_best_region_that_is_worse_than_the_image_is_told(plan: PipelinePlan, scored: pa.Table) -> None:
    assert faults_of(plan, with_score(scored, "scores", -1.0)) == (
        "1 best regions are worse than the whole image",
    )


def test_an_embedded_image_without_a_row_is_told(plan: PipelinePlan, scored: pa.Table) -> None:
    assert faults_of(plan, scored.slice(1)) == ("rows: 4, images out: 5", "1 embedded images are not scored")


def test_a_row_of_an_image_that_is_not_embedded_is_told(plan: PipelinePlan, scored: pa.Table) -> None:
    files = pa.array(["other.png", *scored["file"].to_pylist()[1:]], pa.string())
    told = faults_of(plan, scored.set_column(0, scored.schema.field("file"), files))
    assert told == ("1 embedded images are not scored", "1 scored images are not embedded")


def test_an_image_with_two_rows_is_told(plan: PipelinePlan, scored: pa.Table) -> None:
    told = faults_of(plan, pa.concat_tables([scored, scored.slice(0, 1)]))
    assert told == ("rows: 6, images out: 5", "rows: 6, different files: 5")


def test_scores_that_are_not_there_are_a_fault_only_where_there_are_labels(
    plan: PipelinePlan, scored: pa.Table, settings: Settings
) -> None:
    Path(plan.layout.folder_tables("trip").label_scores.path).unlink()
    audit = audit_label_scores(plan, "trip", settings)
    assert (audit.items, audit.faults) == (0, ())
    (settings.base / "labels.txt").write_text("red\n")
    with pytest.raises(MissingInputError, match="materialise label_scores of trip first"):
        audit_label_scores(plan, "trip", settings)
