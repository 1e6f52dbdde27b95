"""What every pipeline verb needs to know, settled once from the settings; travels to workers."""

from dataclasses import dataclass, replace
from functools import cache

from autotag.compute.ray_session import RaySpec
from autotag.domain.identity import model_id
from autotag.domain.regions import RegionRules
from autotag.models.protocols import Detector, Embedder
from autotag.models.registry import (
    ModelSpec,
    detector_fingerprint,
    embedder_fingerprint,
    load_detector,
    load_embedder,
)
from autotag.settings import Settings, refuse_telemetry
from autotag.storage.images import ImageLimits
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """Frozen, picklable, hashable.

    Attributes:
        layout: every path.
        detector: which detector, and where it runs.
        embedder: which embedder, and where it runs.
        model_id: detector + embedder; names tables and releases.
        rules: which detections are kept.
        limits: which images are refused.
        batch_images: images a kernel call.
        max_attempts: deaths of workers one image may cause.
        threads: threads of one worker.
    """

    layout: Layout
    detector: ModelSpec
    embedder: ModelSpec
    model_id: str
    rules: RegionRules
    limits: ImageLimits
    batch_images: int
    max_attempts: int
    threads: int


def plan_of(settings: Settings) -> PipelinePlan:
    """Settle the plan. Hashes weight files, loads no network.

    Raises:
        SettingsError: a model name of no known form.
        MissingWeightsError: a weight file that is not there.
    """
    refuse_telemetry()
    layout = layout_of(settings)
    threads = ray_spec(settings).threads
    detector = _spec(settings, layout, settings.models.detector, threads, settings.models.detector_batch)
    embedder = _spec(settings, layout, settings.models.embedder, threads, settings.models.embedder_batch)
    return PipelinePlan(
        layout=layout,
        detector=detector,
        embedder=embedder,
        model_id=model_id(detector_fingerprint(detector), embedder_fingerprint(embedder)),
        rules=RegionRules(
            settings.regions.min_area_px, settings.regions.score_threshold, settings.regions.max_regions
        ),
        limits=ImageLimits(
            settings.images.max_bytes, settings.images.max_pixels, settings.images.min_side_px
        ),
        batch_images=settings.compute.batch_images,
        max_attempts=settings.compute.max_attempts,
        threads=threads,
    )


def in_process_plan(plan: PipelinePlan, threads: int) -> PipelinePlan:
    """The same plan for a single worker that has the machine to itself."""
    return replace(
        plan,
        detector=replace(plan.detector, threads=threads),
        embedder=replace(plan.embedder, threads=threads),
        threads=threads,
    )


def ray_spec(settings: Settings) -> RaySpec:
    """The settings' Ray section as the compute room takes it."""
    ray = settings.ray
    return RaySpec(ray.address, ray.num_cpus, ray.actors, ray.cpus_per_actor, ray.gpus_per_actor)


@cache
def loaded_detector(spec: ModelSpec) -> Detector:
    """The detector of this process, loaded once."""
    return load_detector(spec)


@cache
def loaded_embedder(spec: ModelSpec) -> Embedder:
    """The embedder of this process, loaded once."""
    return load_embedder(spec)


def _spec(settings: Settings, layout: Layout, name: str, threads: int, batch: int) -> ModelSpec:
    return ModelSpec(
        name=name,
        device=settings.models.device,
        threads=threads,
        batch_size=batch,
        half=settings.models.half,
        weights_dir=layout.weights,
        cache_dir=layout.model_cache,
    )
