import math
from pathlib import Path

import numpy as np
import pytest

from autotag.domain.ledger_entries import Action
from autotag.domain.schemas import THRESHOLDS
from autotag.errors import MissingInputError, SettingsError
from autotag.pipeline.fit_thresholds import fit_rules, read_fitted
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.tables import read_schema, read_stamp
from autotag_tests.pipeline import threshold_steps as steps


def test_what_pictures_show_gets_a_threshold_and_what_they_do_not_show_gets_none(
    plan: PipelinePlan, asked: Settings
) -> None:
    found = steps.table(plan, asked)
    assert found.minimum("vote", "red", 0.44) < 1
    assert found.minimum("vote", "luck", 0.44) == math.inf
    assert "no score reaches 0.80" in found.reason("vote", "luck")
    assert found.minimum("zero_shot", "red", 0.25) < 1
    assert found.minimum("zero_shot", "luck", 0.25) == found.defaults()["zero_shot"]


def test_without_a_label_list_only_the_vote_is_fitted(plan: PipelinePlan, asked: Settings) -> None:
    (asked.base / "labels.txt").unlink()
    found = steps.known(plan, asked)
    assert found.by_source.keys() == {"vote"}
    assert "no label list" in found.notes[0]


def test_the_same_archive_gives_the_same_thresholds(plan: PipelinePlan, asked: Settings) -> None:
    assert steps.table(plan, asked) == steps.table(plan, asked)


def test_without_an_index_there_is_nothing_to_fit_to(plan: PipelinePlan, settings_file: Path) -> None:
    with pytest.raises(MissingInputError, match="build-index"):
        steps.fit(plan, steps.asking(settings_file))


def test_examples_carry_the_images_they_are_of(plan: PipelinePlan, asked: Settings) -> None:
    found = steps.known(plan, asked)
    assert found.counts.taken == found.counts.made == steps.IMAGES
    for examples in found.by_source.values():
        assert len(np.unique(examples.image)) == steps.IMAGES


def test_decisions_move_the_thresholds(plan: PipelinePlan, asked: Settings) -> None:
    before = steps.table(plan, asked).rows["vote", "red"]
    steps.decide(plan, asked, Action.REJECT, score=1.0, images=60)
    after = steps.table(plan, asked).rows["vote", "red"]
    assert after.examples == before.examples + 60
    assert after.threshold > before.threshold


def test_the_table_is_stored_with_what_it_was_fitted_to_and_what_it_keeps(
    plan: PipelinePlan, asked: Settings
) -> None:
    fitted = steps.fit(plan, asked)
    assert read_fitted(plan, 0.8).held_out == fitted.held_out
    path = plan.layout.thresholds(plan.model_id, 0.8)
    assert path.name == "precision=0.8.parquet"
    assert read_schema(path).remove_metadata() == THRESHOLDS
    stamp = read_stamp(path)
    assert stamp is not None
    facts = stamp.extra["target_precision"], stamp.extra["ledger_position"]
    assert (stamp.model_id, *facts) == (plan.model_id, 0.8, 0)


def test_a_fit_to_another_precision_leaves_the_first_table_as_it_was(
    plan: PipelinePlan, asked: Settings
) -> None:
    steps.fit(plan, asked)
    before = plan.layout.thresholds(plan.model_id, 0.8).read_bytes()
    steps.fit(plan, steps.changed(asked, "thresholds", target_precision=0.95))
    assert plan.layout.thresholds(plan.model_id, 0.8).read_bytes() == before
    assert read_fitted(plan, 0.95).table.target_precision == 0.95
    with pytest.raises(MissingInputError, match=r"never fitted to a precision of 0\.7"):
        read_fitted(plan, 0.7)


def test_without_a_target_there_is_nothing_to_fit(asked: Settings) -> None:
    with pytest.raises(SettingsError, match=r"target_precision is 0.*--precision"):
        fit_rules(steps.changed(asked, "thresholds", target_precision=0.0))
