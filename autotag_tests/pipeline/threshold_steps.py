"""An archive in which one tag can be told from the pictures and another cannot, and what thresholds are fitted to there."""

from pathlib import Path

import numpy as np

from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.votes import VoteRules
from autotag.pipeline.fit_thresholds import FittedTable, KnownExamples, fit_tag_thresholds, known_examples
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.searcher import SearchOptions
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, coloured, shard

IMAGES = 120
SEARCH = SearchOptions(threads=1)
RULES = VoteRules(k=4, min_votes=1)
ASKED = (
    '\n[thresholds]\ntarget_precision = 0.8\n[labels]\nfile = "labels.txt"\n[tagging]\nk = 4\nmin_votes = 1\n'
)


def asking(settings_file: Path, more: str = ASKED) -> Settings:
    """The test's settings, with a target precision."""
    settings_file.write_text(settings_file.read_text() + more)
    return Settings.load(settings_file)


def odd_archive(plan: PipelinePlan, archive: Archive) -> None:
    """Red and blue pictures, tagged with their colour; some at random with `luck`, which nothing shows."""
    chance = np.random.default_rng(0)
    pictures = {}
    for number in range(IMAGES):
        colour = ("red", "blue")[number % 2]
        luck = ["luck"] if chance.random() < 0.4 else []
        pictures[f"k{number:03d}"] = (coloured(colour, number), [colour, *luck])
    shard(archive, "00000", pictures)
    build(plan, "00000")


def known(plan: PipelinePlan, settings: Settings) -> KnownExamples:
    """All examples there are."""
    return known_examples(plan, settings, RULES, SEARCH)


def fit(plan: PipelinePlan, settings: Settings) -> FittedTable:
    """tag_thresholds."""
    return fit_tag_thresholds(known(plan, settings), plan, settings)


def table(plan: PipelinePlan, settings: Settings) -> ThresholdTable:
    """tag_thresholds, and its table."""
    return fit(plan, settings).table
