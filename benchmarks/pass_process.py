"""One source pass in a process of its own: source_images and source_embeddings over the shards of a corpus, timed.

Started by `source_pass` and `memory` with a request file; the last line it prints is one JSON object. Each unit leaves
a file with the times of its start and its commit, so that what the engine needs to start can be told from what the
work takes.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotag.compute import ray_session
from autotag.compute.engine import Engine, InProcessEngine, Worker, WorkerPlan
from autotag.compute.ray_actor_engine import RayActorEngine
from autotag.compute.ray_data_engine import RayDataEngine
from autotag.domain.counts import StepCounts
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import (
    PipelinePlan,
    in_process_plan,
    loaded_detector,
    loaded_embedder,
    plan_of,
    ray_spec,
)
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.settings import Settings
from autotag.storage.without_pandas import leave_pandas_alone

ENGINES = ("actors", "data", "in-process")


@dataclass(frozen=True, slots=True)
class PassRequest:
    """What to run.

    Attributes:
        settings: sections and keys of the settings; `paths` name the corpus and an empty place for the tables.
        engine: one of `ENGINES`.
        cores: threads of the models in process; cores of the local Ray session.
        shards: names of the shards.
        times: an empty directory for the times of the units.
    """

    settings: dict[str, Any]
    engine: str
    cores: int
    shards: list[str]
    times: str


@dataclass(frozen=True, slots=True)
class TimedWorker:
    """A worker that writes down when each unit started and was committed; models are loaded before the start.

    Attributes:
        step: name of the step.
        worker: what does the work.
        plan: whose models are loaded first; None where the step needs none.
        times: directory of the notes.
    """

    step: str
    worker: Worker
    plan: PipelinePlan | None
    times: str

    def __call__(self, unit: str) -> StepCounts:
        """Run the unit; notes are seconds since the epoch."""
        called = time.time()
        if self.plan is not None:
            loaded_detector(self.plan.detector)
            loaded_embedder(self.plan.embedder)
        started = time.time()
        counts = self.worker(unit)
        note = {"called": called, "started": started, "committed": time.time()}
        (Path(self.times) / f"{self.step}-{unit}.json").write_text(json.dumps(note))
        return counts


def run_pass(request: PassRequest) -> dict[str, Any]:
    """Run both steps. Gives counts by step, times by step and unit, and the seconds the pass waited for Ray."""
    settings = Settings(**request.settings)
    plan = plan_of(settings)
    manifests, engine, plan = _engines(request, settings, plan)
    ray_wait_s = 0.0
    workers: dict[str, tuple[Worker, PipelinePlan | None]] = {
        "source_images": (SourceImagesWorker(plan), None),
        "source_embeddings": (SourceEmbeddingsWorker(plan), plan),
    }
    steps: dict[str, Any] = {}
    for name, (worker, needs) in workers.items():
        if needs is not None and request.engine != "in-process":
            waiting = time.perf_counter()
            ray_session.start(ray_spec(settings))
            ray_wait_s = time.perf_counter() - waiting
        called = time.time()
        timed = WorkerPlan(TimedWorker, (name, worker, needs, request.times))
        counts = run_step(engine if needs else manifests, Step(name, timed, request.shards))
        units = {
            unit: json.loads((Path(request.times) / f"{name}-{unit}.json").read_text())
            for unit in request.shards
        }
        steps[name] = {"called": called, "ended": time.time(), "counts": counts.as_dict(), "units": units}
    engine.close()
    if request.engine != "in-process":
        ray_session.stop()
    tables = plan.layout.source(plan.model_id).root
    return {"model_id": plan.model_id, "tables": str(tables), "ray_start_s": ray_wait_s, "steps": steps}


def _engines(
    request: PassRequest, settings: Settings, plan: PipelinePlan
) -> tuple[Engine, Engine, PipelinePlan]:
    """Engines of the manifests and of the embeddings as a run of both has them, and the workers' plan."""
    manifests = InProcessEngine(request.cores)
    if request.engine == "in-process":
        return manifests, InProcessEngine(), in_process_plan(plan, request.cores)
    spec = ray_spec(settings)
    if request.engine == "data":
        return manifests, RayDataEngine(spec), plan
    return manifests, RayActorEngine(spec), plan


def pass_command(request: PassRequest, path: Path) -> list[str]:
    """Write the request to `path`; gives the command that runs it.

    The module is imported by its name there: workers could not find classes of `__main__`.
    """
    path.write_text(json.dumps(asdict(request)))
    return [sys.executable, "-c", "from benchmarks.pass_process import main; main()", str(path)]


def main() -> None:
    """Run the request that the first argument names; the last line is the result."""
    request = PassRequest(**json.loads(Path(sys.argv[1]).read_text()))
    entered = time.time()
    leave_pandas_alone()  # as the command line does
    result = run_pass(request)
    sys.stdout.write(json.dumps({"entered": entered, **result}) + "\n")
