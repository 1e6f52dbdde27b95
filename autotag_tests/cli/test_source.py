"""Whose recorded boxes embed-source uses."""

import pytest

from autotag.cli.session import Session
from autotag.cli.source import _recorded_model
from autotag.domain.identity import detector_of
from autotag.errors import MissingInputError, UsageError
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.roots import layout_of

SHARDS = ["00000", "00001"]


@pytest.fixture
def session(settings: Settings) -> Session:
    return Session(settings, layout_of(settings))


def record(plan: PipelinePlan, model: str, shards: list[str]) -> str:
    for shard in shards:
        path = plan.layout.source(model).embeddings(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return model


def other(plan: PipelinePlan, embedder: str) -> str:
    return f"{detector_of(plan.model_id)}+{embedder}"


def test_the_only_model_of_this_detector_that_covers_the_shards_is_chosen(
    session: Session, plan: PipelinePlan
) -> None:
    wanted = record(plan, other(plan, "first"), SHARDS)
    record(plan, other(plan, "half"), SHARDS[:1])
    record(plan, "alien+first", SHARDS)
    (plan.layout.source_processed / "notes.txt").write_text("")
    assert _recorded_model(session, SHARDS) == wanted


def test_another_models_boxes_are_used_again_by_a_repeat_and_the_settings_own_only_where_there_are_no_others(
    session: Session, plan: PipelinePlan
) -> None:
    record(plan, plan.model_id, SHARDS)
    assert _recorded_model(session, SHARDS) == plan.model_id
    record(plan, other(plan, "first"), SHARDS)
    assert _recorded_model(session, SHARDS) == other(plan, "first")


def test_several_that_fit_are_named_and_one_has_to_be_chosen(session: Session, plan: PipelinePlan) -> None:
    names = [record(plan, other(plan, name), SHARDS) for name in ("first", "second")]
    with pytest.raises(UsageError, match="--boxes-from") as raised:
        _recorded_model(session, SHARDS)
    assert all(name in str(raised.value) for name in names)


@pytest.mark.parametrize("recorded", [[], ["alien+first"]])
def test_none_that_fits_says_what_to_run_first(
    session: Session, plan: PipelinePlan, recorded: list[str]
) -> None:
    for model in recorded:
        record(plan, model, SHARDS)
    with pytest.raises(
        MissingInputError, match=r"no boxes of fake_detector.* cover 00000\.\.00001 .*autotag segment-source"
    ):
        _recorded_model(session, SHARDS)
