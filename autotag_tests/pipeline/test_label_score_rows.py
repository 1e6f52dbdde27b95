import numpy as np
import pytest

from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import PermanentError
from autotag.pipeline.label_score_rows import (
    SCORES_A_BLOCK,
    SCORES_A_GROUP,
    rows_a_group,
    rows_at_once,
    scored_blocks,
)
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import ROW_GROUP_ROWS, read_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import colour_folder


@pytest.mark.parametrize("labels", [1, 999, 1000, 50_000, 10_000_000])
def test_rows_are_as_many_as_fit_and_one_at_least(labels: int) -> None:
    for rows, scores in ((rows_at_once(labels), SCORES_A_BLOCK), (rows_a_group(labels), SCORES_A_GROUP)):
        assert 1 <= rows <= ROW_GROUP_ROWS
        assert rows == 1 or rows * labels <= scores


def test_scores_stay_cosines_where_rounding_leads_beyond_one(plan: PipelinePlan, folders: Folders) -> None:
    colour_folder(plan, folders)
    path = plan.layout.folder_tables("trip").embeddings
    own = vectors_from_arrow(read_table(path)["embedding"])
    for sign in (1, -1):
        labels = own * np.float32(sign * 1.01)
        for block in scored_blocks(path, labels, lambda _: None):
            assert np.abs(block.image_scores).max() == 1
            assert np.abs(block.scores).max() <= 1


def test_vectors_of_another_length_are_refused(plan: PipelinePlan, folders: Folders) -> None:
    colour_folder(plan, folders)
    path = plan.layout.folder_tables("trip").embeddings
    with pytest.raises(PermanentError, match="length 16 cannot be compared to labels of length 3"):
        list(scored_blocks(path, np.ones((1, 3), np.float32), lambda _: None))


def test_the_check_sees_the_stamp_of_the_table_that_is_read(plan: PipelinePlan, folders: Folders) -> None:
    colour_folder(plan, folders)
    path, seen = plan.layout.folder_tables("trip").embeddings, []
    list(scored_blocks(path, np.ones((1, 16), np.float32) / 4, seen.append))
    assert [stamp.model_id for stamp in seen] == [plan.model_id]
