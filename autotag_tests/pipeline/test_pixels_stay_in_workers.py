"""A source pass on Ray: nothing of an image lies in the object store meanwhile, or on the disk afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np
import pytest

from autotag.compute import ray_session
from autotag.compute.engine import Engine, WorkerPlan
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.compute.ray_data_engine import RayDataEngine
from autotag.compute.ray_session import RaySpec
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.storage.tables import count_rows
from autotag_tests.conftest import Archive

pytestmark = pytest.mark.slow

SPEC = RaySpec(num_cpus=2, actors=2)
SHARDS = ["00000", "00001", "00002", "00003"]
IMAGES = 8
WIDTH, HEIGHT = 1600, 1200
PIXELS_BYTES = WIDTH * HEIGHT * 3
MOST_BYTES = 1_000_000
"""A sixth of one image's pixels; names and counts of all units take some kilobytes."""


@pytest.fixture(scope="module", params=["actors", "data"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    ray_session.stop()
    ray_session.start(SPEC)
    made: Engine = RayDataEngine(SPEC) if request.param == "data" else RayActorEngine(SPEC)
    yield made
    made.close()
    ray_session.stop()


def object_store_bytes() -> float:
    import ray

    name = "object_store_memory"
    return ray.cluster_resources()[name] - ray.available_resources().get(name, 0.0)


@contextmanager
def watched_store() -> Iterator[list[float]]:
    """Bytes in the object store, looked at over and over inside the block."""
    seen, is_over = [object_store_bytes()], Event()

    def look() -> None:
        while not is_over.wait(0.05):
            seen.append(object_store_bytes())

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()


def test_no_pixels_pass_through_the_object_store_and_no_image_lies_below_processed(
    plan: PipelinePlan, archive: Archive, engine: Engine
) -> None:
    import ray

    for number, shard in enumerate(SHARDS):
        archive.simple(shard, IMAGES, first=100 * number, width=WIDTH, height=HEIGHT)
    with watched_store() as seen:
        for name, worker in (
            ("source_images", SourceImagesWorker),
            ("source_embeddings", SourceEmbeddingsWorker),
        ):
            counts = run_step(engine, Step(name, WorkerPlan(worker, (plan,)), SHARDS))
            assert counts.made == len(SHARDS) * IMAGES
    assert len(seen) > 10
    assert max(seen) - seen[0] < MOST_BYTES

    with watched_store() as control:
        held = ray.put(np.zeros(PIXELS_BYTES, np.uint8))
        for _ in range(200):
            if max(control) - control[0] >= PIXELS_BYTES:
                break
            Event().wait(0.05)
        del held
    assert max(control) - control[0] >= PIXELS_BYTES, "one image would have been seen"

    processed = archive.data / "source" / "processed"
    files = [path for path in processed.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet"}
    tables = plan.layout.source(plan.model_id)
    assert sum(count_rows(tables.embeddings(shard)) for shard in SHARDS) >= 2 * len(SHARDS) * IMAGES
    assert sum(path.stat().st_size for path in files) < PIXELS_BYTES
