"""The embedding pass on a pool of Ray actors, and one whose process is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from autotag.compute import ray_session
from autotag.pipeline.plan import in_process_plan
from autotag.pipeline.retrieval import embed_store as steps
from autotag.settings import Settings
from autotag_tests.pipeline.retrieval.stores import TestStore

pytestmark = pytest.mark.slow

PASS = """
import sys
from pathlib import Path
from autotag.pipeline.retrieval import units
from autotag_tests.pipeline.retrieval.stores import TestStore
units.MOST_IMAGES = 4
print("begun", flush=True)
TestStore(Path(sys.argv[1]), Path(sys.argv[2])).embed()
"""


def test_actors_share_a_store_evenly_and_make_what_one_process_makes(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(40)
    store.manifest()
    on_ray = Settings.load(
        store.settings_file,
        {"models.detector": "whole", "compute.in_process_below": 0, "ray.num_cpus": 2, "ray.actors": 2},
    )
    sizes: list[int] = []
    size = steps.unit_size
    monkeypatch.setattr(steps, "unit_size", lambda *given: sizes.append(size(*given)) or sizes[-1])
    try:
        counts = steps.embed_store(store.plan, on_ray, store.layout)
    finally:
        ray_session.stop()
    assert sizes == [5]
    assert (counts.made, counts.units, len(store.parts())) == (40, 8, 8)
    assert Counter(store.vectors()) == Counter({str(row["media_id"]): 1 for row in store.rows()})


def test_a_killed_pass_goes_on_where_it_was_and_embeds_nothing_twice(store: TestStore) -> None:
    store.some(120)
    store.manifest()
    assert in_process_plan(store.plan, 1).model_id == store.plan.model_id
    chance = random.Random(5)
    killed = 0
    for _ in range(4):
        words = [sys.executable, "-c", PASS, str(store.here), str(store.settings_file)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.9))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait(30)
        process.stdout.close()
    assert killed
    counts = store.embed()
    assert counts.made == 120
    assert Counter(store.vectors()) == Counter({str(row["media_id"]): 1 for row in store.rows()})
    assert not store.layout.parts("embed").exists()
