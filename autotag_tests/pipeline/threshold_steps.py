"""An archive in which one tag can be told from the pictures and another cannot, and what thresholds are fitted to there."""

from pathlib import Path

import numpy as np

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.fit_thresholds import FittedTable, KnownExamples, fit_tag_thresholds, known_examples
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
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


def changed(settings: Settings, section: str, **values: object) -> Settings:
    """The settings with other values in a section."""
    part = getattr(settings, section).model_copy(update=values)
    return settings.model_copy(update={section: part})


def decide(
    plan: PipelinePlan, settings: Settings, action: Action, score: float = 0.9, images: int = 1
) -> None:
    """A person says the same of `red` on some images for which the vote proposed it."""
    media = [f"{number:064d}" for number in range(images)]
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        proposals = [Proposal(each, "red", "vote", score) for each in media]
        ledger.propose("r1", plan.model_id, media, ["vote"], proposals)
        ledger.decide([Decision(each, "red", action) for each in media], "me")
