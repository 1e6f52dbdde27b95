"""The source pass on its real engine: what a crash of a worker costs, and what it leaves."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from autotag.compute import ray_session
from autotag.compute.engine import Engine, WorkerPlan
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.compute.ray_data_engine import RayDataEngine
from autotag.compute.ray_session import RaySpec
from autotag.models.fakes import magic_image
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, encoded, picture

pytestmark = pytest.mark.slow

SPEC = RaySpec(num_cpus=2, actors=2)


@pytest.fixture(scope="module", params=["data", "actors"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made: Engine = RayDataEngine(SPEC) if request.param == "data" else RayActorEngine(SPEC)
    yield made
    made.close()
    ray_session.stop()


def test_a_poison_image_becomes_a_reject_and_the_rest_is_embedded(
    plan: PipelinePlan, archive: Archive, engine: Engine
) -> None:
    plan = replace(plan, max_attempts=2)
    members = [(f"k{i:03d}.png", picture(i)) for i in range(10)]
    archive.shard("00000", [*members[:5], ("poison.png", encoded(magic_image("kill"))), *members[5:]])
    archive.tags("00000", {})
    archive.shard("00001", [("once.png", encoded(magic_image("kill_once"))), ("a.png", picture(30))])
    archive.tags("00001", {})
    archive.simple("00002", 3, first=40)
    shards = ["00000", "00001", "00002"]
    run_step(engine, Step("source_images", WorkerPlan(SourceImagesWorker, (plan,)), shards))
    counts = run_step(engine, Step("source_embeddings", WorkerPlan(SourceEmbeddingsWorker, (plan,)), shards))
    assert (counts.taken, counts.made, counts.rejected) == (16, 15, 1)
    tables = plan.layout.source(plan.model_id)
    rejects = read_table(tables.embedding_rejects("00000")).to_pylist()
    assert [(row["key"], row["stage"], row["reason"]) for row in rejects] == [
        ("poison", "worker", "it has killed 2 workers")
    ]
    embedded = read_table(tables.embeddings("00000"))
    assert [
        key
        for key, index in zip(*embedded.select(["key", "region_index"]).to_pydict().values(), strict=True)
        if not index
    ] == [f"k{i:03d}" for i in range(10)]
    assert set(read_table(tables.embeddings("00001"))["key"].to_pylist()) == {"once", "a"}
    assert list(tables.attempts.iterdir()) == []
