"""What a run's labels came to: how many images have one, and which threshold would give some to the others."""

import math
from typing import TYPE_CHECKING

from autotag.cli.folder_runs import FolderRuns

if TYPE_CHECKING:
    from autotag.pipeline.label_reach import LabelReach
    from autotag.settings import Settings

SCORED = "labels over threshold"
"""Fact of label_scores that is not there where there was no label list."""


def labels_reached(runs: FolderRuns) -> "LabelReach | None":
    """Of the folders that were scored in these runs; None where none was.

    Raises:
        MissingInputError: scores are gone again.
        PermanentError: scores are damaged.
    """
    from upath import UPath

    from autotag.pipeline.label_reach import label_reach

    entries = (entry for outcome in runs.made.values() for entry in outcome.materialised)
    told = [entry.facts for entry in entries if entry.asset == "label_scores" and SCORED in entry.facts]
    return label_reach([UPath(str(facts["path"])) for facts in told]) if told else None


def reached_line(reach: "LabelReach", settings: "Settings") -> str:
    """One sentence; where most images have no label, it names a threshold that gives half of them one."""
    is_fitted = settings.thresholds.target_precision > 0
    least = "its own threshold" if is_fitted else f"{settings.labels.threshold:g}"
    line = f"{reach.over:,} of {reach.images:,} images have a label over {least}"
    if 2 * reach.over >= reach.images or reach.best_of_others is None or reach.half_of_others is None:
        return line
    line += f"; the others' best is {_floored(reach.best_of_others):.2f}"
    if is_fitted:
        return line
    return f"{line}: try --threshold {_floored(reach.half_of_others):.2f}, which half of them reach"


def _floored(score: float) -> float:
    """Two decimals, never above the score: as a threshold, it is reached."""
    return math.floor(score * 100) / 100
