"""How many images have a label, from folders' scores."""

import numpy as np
import pytest

from autotag.errors import MissingInputError
from autotag.pipeline.label_reach import LabelReach, label_reach
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import score_labels
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import COLOURS, colour_folder, rows_of, rules

KEYS = ("a", "b")


def test_images_without_a_label_are_told_by_their_best_and_their_median(
    plan: PipelinePlan, folders: Folders
) -> None:
    for key in KEYS:
        colour_folder(plan, folders, key)
        score_labels(plan, key, rules(threshold=-1))
    best = sorted(row["top1_score"] for key in KEYS for row in rows_of(plan, key).values())
    threshold = best[7]
    for key in KEYS:
        score_labels(plan, key, rules(threshold=threshold))
    over = sum(score >= threshold for score in best)
    others = best[: len(best) - over]
    assert 0 < len(others) < len(best) == 2 * len(COLOURS)
    found = label_reach([plan.layout.folder_tables(key).label_scores for key in KEYS])
    assert found == LabelReach(len(best), over, others[-1], float(np.median(np.array(others, np.float32))))


def test_where_every_image_has_one_there_is_no_best_of_the_others(
    plan: PipelinePlan, folders: Folders
) -> None:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules(threshold=-1))
    found = label_reach([plan.layout.folder_tables("trip").label_scores])
    assert found == LabelReach(len(COLOURS), len(COLOURS), None, None)


def test_scores_that_are_gone_are_told(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match="label_scores"):
        label_reach([plan.layout.folder_tables("trip").label_scores])
