"""The source pass over some shards as a process that can be killed: `python -m ... settings slow_ms shards...`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.regions import Region, RgbImage
from autotag.models.fakes import FakeDetector
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import plan_of
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.settings import Settings


def main(config: str, slow_ms: str, shards: Sequence[str]) -> None:
    """Both source steps; every detector call takes `slow_ms` longer, so that there is something to kill."""
    detect = FakeDetector.detect

    def slow(self: FakeDetector, images: Sequence[RgbImage]) -> list[list[Region]]:
        time.sleep(int(slow_ms) / 1000)
        return detect(self, images)

    FakeDetector.detect = slow  # type: ignore[method-assign]
    plan = plan_of(Settings.load(Path(config)))
    engine = InProcessEngine()
    print("ready", flush=True)  # noqa: T201
    for name, worker in (
        ("source_images", SourceImagesWorker),
        ("source_embeddings", SourceEmbeddingsWorker),
    ):
        run_step(engine, Step(name, WorkerPlan(worker, (plan,)), shards))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
