"""Steps in a process that pictures can kill: `python -m ... settings step`, where step is source or a folder's key.

A file that ends with `POISON` kills its process wherever it is decoded, by SIGSEGV; `POISON_CROP` does so in the
embedder, by an exit; pictures of the fakes' kill colour do it in the detector, by SIGKILL. All of it happens at import, so that
processes which this one starts are as vulnerable; so a test must not import it.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ImageFile

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.regions import RgbImage
from autotag.models.fakes import FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.locked_shards import locked
from autotag.pipeline.plan import plan_of
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.settings import Settings
from autotag.storage import images
from autotag.storage.images import ImageLimits
from autotag_tests.pipeline.poison_pictures import POISON, POISON_CROP, SHARDS
from autotag_tests.pipeline.target_steps import crops, embeddings

if "pytest" in sys.modules:
    raise ImportError("poison_worker would make the tests' own process as vulnerable as its own")

_open_image = images._open
_embed_images = FakeEmbedder.embed_images


def _open(data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    if data.endswith(POISON):
        signal.raise_signal(signal.SIGSEGV)  # of this thread, as a real one: it goes no step further
    return _open_image(data, limits)


def _embed(self: FakeEmbedder, pictures: Sequence[RgbImage]) -> Vectors:
    if any((picture == np.array(POISON_CROP, np.uint8)).all() for picture in pictures):
        os._exit(77)
    return _embed_images(self, pictures)


images._open = _open
FakeEmbedder.embed_images = _embed  # type: ignore[method-assign]


def main(config: str, step: str) -> None:
    """Both source steps over `SHARDS`, in threads and in this one; or the three steps of a folder."""
    plan = plan_of(Settings.load(Path(config)))
    if step != "source":
        list_target_images(plan, step)
        crops(plan, step)
        embeddings(plan, step)
        return
    for name, worker, threads in (
        ("source_images", SourceImagesWorker, 2),
        ("source_embeddings", SourceEmbeddingsWorker, 1),
    ):
        worker_plan = locked(plan, WorkerPlan(worker, (plan,)))
        run_step(InProcessEngine(threads), Step(name, worker_plan, SHARDS))


if __name__ == "__main__":
    main(*sys.argv[1:])
