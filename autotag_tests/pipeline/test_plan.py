import pickle
from pathlib import Path

import pytest

from autotag.errors import SettingsError
from autotag.pipeline.plan import (
    PipelinePlan,
    in_process_plan,
    loaded_detector,
    loaded_embedder,
    plan_of,
    ray_spec,
)
from autotag.settings import Settings


def test_a_plan_travels_and_is_a_key(plan: PipelinePlan) -> None:
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan
    assert {plan: 1}[copy] == 1


def test_the_model_id_names_both_models_and_changes_with_either(
    plan: PipelinePlan, settings_file: Path
) -> None:
    assert (
        plan.model_id
        == f"{loaded_detector(plan.detector).fingerprint}+{loaded_embedder(plan.embedder).fingerprint}"
    )
    settings_file.write_text(settings_file.read_text().replace('detector = "fake"', 'detector = "whole"'))
    assert plan_of(Settings.load(settings_file)).model_id != plan.model_id


def test_settings_reach_the_plan(settings_file: Path) -> None:
    settings_file.write_text(
        settings_file.read_text() + "[images]\nmax_pixels = 99\n[ray]\ncpus_per_actor = 2.5\n"
    )
    settings = Settings.load(settings_file)
    plan = plan_of(settings)
    assert (plan.rules.min_area_px, plan.limits.max_pixels, plan.batch_images) == (
        16,
        99,
        4,
    )
    assert plan.threads == plan.detector.threads == ray_spec(settings).threads == 2


def test_a_single_worker_gets_the_machines_threads_and_keeps_the_model_id(plan: PipelinePlan) -> None:
    alone = in_process_plan(plan, 7)
    assert (alone.threads, alone.detector.threads, alone.embedder.threads) == (7, 7, 7)
    assert alone.model_id == plan.model_id


def test_an_unknown_model_is_a_settings_error(settings_file: Path) -> None:
    settings_file.write_text(settings_file.read_text().replace('embedder = "fake"', 'embedder = "nope"'))
    with pytest.raises(SettingsError, match=r"models\.embedder = 'nope'"):
        plan_of(Settings.load(settings_file))
