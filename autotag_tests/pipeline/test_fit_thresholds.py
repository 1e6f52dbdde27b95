import math
from pathlib import Path

import numpy as np
import pytest

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.domain.schemas import THRESHOLDS
from autotag.errors import MissingInputError, PermanentError, SettingsError
from autotag.pipeline.fit_thresholds import fit_rules, read_fitted, thresholds_in_use
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.tables import Stamp, read_schema, read_stamp, read_table, write_table
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps
from autotag_tests.pipeline.reference_steps import build, colour_shard


@pytest.fixture
def asked(settings_file: Path, plan: PipelinePlan, archive: Archive) -> Settings:
    """They ask for 0.8, of an archive that is indexed and a list of two labels."""
    steps.odd_archive(plan, archive)
    (settings_file.parent / "labels.txt").write_text("red\nblue\n")
    return steps.asking(settings_file)


def changed(settings: Settings, section: str, **values: object) -> Settings:
    part = getattr(settings, section).model_copy(update=values)
    return settings.model_copy(update={section: part})


def decide(
    plan: PipelinePlan, settings: Settings, action: Action, score: float = 0.9, images: int = 1
) -> None:
    media = [f"{number:064d}" for number in range(images)]
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        proposals = [Proposal(each, "red", "vote", score) for each in media]
        ledger.propose("r1", plan.model_id, media, ["vote"], proposals)
        ledger.decide([Decision(each, "red", action) for each in media], "me")


def test_what_pictures_show_gets_a_threshold_and_what_they_do_not_show_gets_none(
    plan: PipelinePlan, asked: Settings
) -> None:
    found = steps.table(plan, asked)
    assert found.minimum("vote", "red", 0.44) < 1
    assert found.minimum("vote", "luck", 0.44) == math.inf
    assert "no score reaches 0.80" in found.reason("vote", "luck")
    assert found.minimum("zero_shot", "red", 0.25) < 1
    assert found.minimum("zero_shot", "luck", 0.25) == found.defaults()["zero_shot"]


def test_the_stored_table_is_the_one_in_use(plan: PipelinePlan, asked: Settings) -> None:
    fitted = steps.fit(plan, asked)
    used = thresholds_in_use(plan, asked)
    assert used is not None
    assert not used.is_stale
    assert used.rows.keys() == fitted.table.rows.keys()
    for key, row in used.rows.items():
        assert row.threshold == pytest.approx(fitted.table.rows[key].threshold, rel=1e-6)
        assert row.reason == fitted.table.rows[key].reason
    assert read_fitted(plan).held_out == fitted.held_out
    path = plan.layout.thresholds(plan.model_id)
    assert read_schema(path).remove_metadata() == THRESHOLDS
    stamp = read_stamp(path)
    assert stamp is not None
    assert (stamp.model_id, stamp.extra["target_precision"], stamp.extra["ledger_position"]) == (
        plan.model_id,
        0.8,
        0,
    )


def test_without_a_target_there_is_nothing_to_use_and_nothing_to_fit(
    plan: PipelinePlan, asked: Settings
) -> None:
    none_asked = changed(asked, "thresholds", target_precision=0.0)
    assert thresholds_in_use(plan, none_asked) is None
    with pytest.raises(SettingsError, match=r"target_precision is 0.*--precision"):
        fit_rules(none_asked)


def test_what_was_never_fitted_names_the_command(plan: PipelinePlan, asked: Settings) -> None:
    with pytest.raises(MissingInputError, match=r"never fitted.*autotag thresholds"):
        thresholds_in_use(plan, asked)


def test_thresholds_of_another_target_or_other_rules_are_not_used(
    plan: PipelinePlan, asked: Settings
) -> None:
    steps.fit(plan, asked)
    with pytest.raises(
        MissingInputError, match=r"fitted to a precision of 0\.8, not 0\.95.*--precision 0\.95"
    ):
        thresholds_in_use(plan, changed(asked, "thresholds", target_precision=0.95))
    with pytest.raises(MissingInputError, match=r"\[tagging\]"):
        thresholds_in_use(plan, changed(asked, "tagging", k=5))
    used = thresholds_in_use(plan, changed(asked, "tagging", threshold=0.9, max_tags=1))
    assert used is not None
    assert not used.is_stale


def test_decisions_make_them_stale_until_they_are_fitted_again(plan: PipelinePlan, asked: Settings) -> None:
    before = steps.table(plan, asked).rows["vote", "red"]
    decide(plan, asked, Action.REJECT, score=1.0, images=60)
    used = thresholds_in_use(plan, asked)
    assert used is not None
    assert used.is_stale
    after = steps.table(plan, asked).rows["vote", "red"]
    assert after.examples == before.examples + 60
    assert after.threshold > before.threshold
    fresh = thresholds_in_use(plan, asked)
    assert fresh is not None
    assert not fresh.is_stale


def test_a_new_index_and_other_labels_make_them_stale(
    plan: PipelinePlan, asked: Settings, archive: Archive
) -> None:
    steps.fit(plan, asked)
    labels = asked.base / "labels.txt"
    labels.write_text("red\n")
    assert thresholds_in_use(plan, asked).is_stale  # type: ignore[union-attr]
    labels.write_text("red\nblue\n")
    assert not thresholds_in_use(plan, asked).is_stale  # type: ignore[union-attr]
    colour_shard(archive, "00001", 500, each=1)
    build(plan, "00001")
    assert thresholds_in_use(plan, asked).is_stale  # type: ignore[union-attr]


def test_without_a_label_list_only_the_vote_is_fitted(plan: PipelinePlan, asked: Settings) -> None:
    (asked.base / "labels.txt").unlink()
    found = steps.known(plan, asked)
    assert found.by_source.keys() == {"vote"}
    assert "no label list" in found.notes[0]


def test_the_same_archive_gives_the_same_thresholds(plan: PipelinePlan, asked: Settings) -> None:
    assert steps.table(plan, asked) == steps.table(plan, asked)


def test_a_table_that_is_not_one_of_ours_is_refused(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    path = plan.layout.thresholds(plan.model_id)
    rows = read_table(path)
    write_table(path, rows, THRESHOLDS, Stamp("thresholds", "alien+model"))
    with pytest.raises(MissingInputError, match="holds no thresholds of fake"):
        thresholds_in_use(plan, asked)
    path.write_bytes(b"no table")
    with pytest.raises(PermanentError, match=r"damaged.*tag_thresholds"):
        thresholds_in_use(plan, asked)


def test_without_an_index_there_is_nothing_to_fit_to(plan: PipelinePlan, settings_file: Path) -> None:
    with pytest.raises(MissingInputError, match="build-index"):
        steps.fit(plan, steps.asking(settings_file))


def test_examples_carry_the_images_they_are_of(plan: PipelinePlan, asked: Settings) -> None:
    found = steps.known(plan, asked)
    assert found.counts.taken == found.counts.made == steps.IMAGES
    for examples in found.by_source.values():
        assert len(np.unique(examples.image)) == steps.IMAGES
