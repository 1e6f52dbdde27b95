"""Workers that hold less than a whole core."""

import time
from pathlib import Path

import pytest

from autotag.compute import ray_session
from autotag.compute.engine import WorkerPlan
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.pipeline.cut_target_crops import TargetCropsWorker, finish_target_crops
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import plan_of, ray_spec
from autotag.pipeline.run_units import Step, run_step
from autotag.pipeline.target_parts import chunks_of
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.target_steps import FORM

HALF_CORES = "[ray]\nnum_cpus = 1\nactors = 2\ncpus_per_actor = 0.5\n"


def cores_held_at_last(expected: float) -> float:
    """Ray's account of its cores lags a little behind."""
    import ray

    over = time.monotonic() + 20
    while True:
        held = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0.0)
        if held == expected or time.monotonic() > over:
            return held
        time.sleep(0.2)


@pytest.mark.slow
def test_two_workers_of_half_a_core_share_one(folders: Folders, settings_file: Path) -> None:
    settings_file.write_text(settings_file.read_text(encoding="utf-8") + HALF_CORES, encoding="utf-8")
    settings = Settings.load(settings_file)
    plan, engine = plan_of(settings), RayActorEngine(ray_spec(settings))
    folders.simple("f", 16)
    list_target_images(plan, "f")
    chunks = chunks_of(plan, "f", 4)
    worker = WorkerPlan(TargetCropsWorker, (plan, FORM))
    ray_session.stop()
    try:
        run_step(engine, Step("target_crops", worker, [chunk.unit for chunk in chunks]))
        assert len(engine._hosts) == 2
        assert cores_held_at_last(1.0) == 1.0
    finally:
        engine.close()
        ray_session.stop()
    counts = finish_target_crops(plan, chunks, "f", form=FORM)
    assert (counts.taken, counts.made, counts.rejected) == (16, 16, 0)
    regions = read_table(plan.layout.folder_tables("f").regions)
    assert len(regions["file"].unique()) == 16
    assert plan.threads == 1
