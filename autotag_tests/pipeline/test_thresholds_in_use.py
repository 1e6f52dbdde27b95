import pytest

from autotag.domain.schemas import THRESHOLDS
from autotag.errors import MissingInputError, PermanentError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import ZERO_SHOT
from autotag.pipeline.thresholds_in_use import ranking_in_use, refuse_unfitted, thresholds_in_use
from autotag.settings import Settings
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table
from autotag_tests.pipeline import threshold_steps as steps


def test_the_stored_table_is_the_one_in_use(plan: PipelinePlan, asked: Settings) -> None:
    fitted = steps.table(plan, asked)
    used = thresholds_in_use(plan, asked)
    assert used is not None
    assert (used.target_precision, used.rows.keys()) == (0.8, fitted.rows.keys())
    for key, row in used.rows.items():
        assert row.threshold == pytest.approx(fitted.rows[key].threshold, rel=1e-6)
        assert row.reason == fitted.rows[key].reason
    assert ranking_in_use(plan, asked).thresholds == used.of_source(ZERO_SHOT)
    refuse_unfitted(plan, asked)


def test_without_a_target_there_is_nothing_to_use(plan: PipelinePlan, asked: Settings) -> None:
    none_asked = steps.changed(asked, "thresholds", target_precision=0.0)
    assert thresholds_in_use(plan, none_asked) is None
    assert ranking_in_use(plan, none_asked).thresholds is None
    refuse_unfitted(plan, none_asked)


def test_what_was_never_fitted_names_the_command(plan: PipelinePlan, asked: Settings) -> None:
    for look in (thresholds_in_use, refuse_unfitted):
        with pytest.raises(MissingInputError, match=r"never fitted.*autotag thresholds --precision 0\.8`"):
            look(plan, asked)


def test_each_precision_has_thresholds_of_its_own(plan: PipelinePlan, asked: Settings) -> None:
    other = steps.changed(asked, "thresholds", target_precision=0.95)
    steps.fit(plan, asked)
    with pytest.raises(MissingInputError, match=r"never fitted to a precision of 0\.95"):
        thresholds_in_use(plan, other)
    steps.fit(plan, other)
    for settings, precision in ((asked, 0.8), (other, 0.95)):
        used = thresholds_in_use(plan, settings)
        assert used is not None
        assert used.target_precision == precision


def test_thresholds_of_other_rules_of_the_vote_are_not_used(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    for look in (thresholds_in_use, refuse_unfitted):
        with pytest.raises(MissingInputError, match=r"\[tagging\].*--precision 0\.8"):
            look(plan, steps.changed(asked, "tagging", k=5))
        look(plan, steps.changed(asked, "tagging", threshold=0.9, max_tags=1))


def test_a_bad_label_list_and_a_bad_ledger_do_not_stop_a_vote_which_uses_neither(
    plan: PipelinePlan, asked: Settings
) -> None:
    steps.fit(plan, asked)
    (asked.base / "labels.txt").write_bytes(b"red\n\x00\n")
    plan.layout.ledger.write_bytes(b"no ledger")
    used = thresholds_in_use(plan, asked)
    assert used is not None
    assert ("vote", "red") in used.rows


@pytest.mark.parametrize("what", ["model", "precision"])
def test_a_table_of_another_model_or_precision_is_refused_wherever_it_lies(
    plan: PipelinePlan, asked: Settings, what: str
) -> None:
    steps.fit(plan, asked)
    path = plan.layout.thresholds(plan.model_id, 0.8)
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    model = "alien+model" if what == "model" else plan.model_id
    precision = 0.7 if what == "precision" else 0.8
    write_table(
        path,
        rows,
        THRESHOLDS,
        Stamp("thresholds", model, "x", {**stamp.extra, "target_precision": precision}),
    )
    for look in (thresholds_in_use, refuse_unfitted):
        with pytest.raises(MissingInputError, match=r"holds no thresholds of fake.*--precision 0\.8"):
            look(plan, asked)


def test_a_damaged_table_is_told_with_who_makes_it(plan: PipelinePlan, asked: Settings) -> None:
    steps.fit(plan, asked)
    plan.layout.thresholds(plan.model_id, 0.8).write_bytes(b"no table")
    with pytest.raises(PermanentError, match=r"damaged.*tag_thresholds"):
        thresholds_in_use(plan, asked)
    with pytest.raises(MissingInputError, match="autotag thresholds"):
        refuse_unfitted(plan, asked)
