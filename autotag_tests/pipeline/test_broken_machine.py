"""Where every image kills its worker the machine is at fault: no step of the pipeline rejects an image for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from autotag.compute.deaths import DeathWatch
from autotag.compute.engine import WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.errors import WorkerLostError
from autotag.models.fakes import FakeDetector, FakeEmbedder
from autotag.pipeline import list_target_images as target_images
from autotag.pipeline import make_thumbnails
from autotag.pipeline import read_source_images as source_images
from autotag.pipeline.cut_target_crops import TargetCropsWorker
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.embed_target import TargetEmbeddingsWorker
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.list_target_images import TargetImagesWorker, list_target_images
from autotag.pipeline.locked_shards import locked
from autotag.pipeline.make_thumbnails import ThumbnailsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.retrieval import look_at_files
from autotag.pipeline.retrieval.embed_store import TODO_COLUMNS, read_manifest
from autotag.pipeline.retrieval.embed_worker import StoreEmbedWorker, parts_of
from autotag.pipeline.retrieval.listing import Listing, listed_files
from autotag.pipeline.retrieval.look_at_files import LookAtFilesWorker
from autotag.pipeline.retrieval.make_manifest import make_manifest
from autotag.pipeline.retrieval.units import cut_units
from autotag.pipeline.target_parts import Chunk
from autotag.storage.attempts import AttemptJournal
from autotag.storage.store_layout import StoreLayout
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.pipeline.target_steps import FORM, crops

MOST_DEATHS = 15
"""Of a batch of four, of its images as often as they may, of the next batch, and of the first image of that."""


MOST_FILES = 1000
"""Of a unit of a store: more than any case has."""


class Death(BaseException):
    """Of the process, in tests that have only one."""


@dataclass
class Case:
    """A worker that is ready to run a unit.

    Attributes:
        worker: the real one.
        unit: what it runs.
        dies_in: class or module, and name, of what kills where the machine is broken.
        unusable: images that it rejects wherever it runs.
    """

    worker: Callable[[str], StepCounts]
    unit: str
    dies_in: tuple[object, str]
    unusable: int = 0


@dataclass
class Kitchen:
    """Makes cases over so many good images."""

    plan: PipelinePlan
    archive: Archive
    folders: Folders
    with_unusable: bool = True

    def source_images(self, images: int) -> Case:
        """The first member of the shard is no image."""
        self._shard(images)
        return Case(
            SourceImagesWorker(self.plan), "00000", (source_images, "probe_image"), self.with_unusable
        )

    def locked_source_images(self, images: int) -> Case:
        """As runs of people have it."""
        case = self.source_images(images)
        plan = locked(self.plan, WorkerPlan(SourceImagesWorker, (self.plan,)))
        return replace(case, worker=plan.make(*plan.arguments))

    def source_embeddings(self, images: int) -> Case:
        """What is no image is not in the manifest."""
        self._shard(images)
        SourceImagesWorker(self.plan)("00000")
        return Case(SourceEmbeddingsWorker(self.plan), "00000", (FakeDetector, "detect"))

    def target_images(self, images: int) -> Case:
        """The first file of the folder is no image."""
        self._folder(images)
        return Case(TargetImagesWorker(self.plan), "f", (target_images, "probe_image"), self.with_unusable)

    def target_crops(self, images: int) -> Case:
        """One chunk."""
        self._folder(images)
        list_target_images(self.plan, "f")
        unit = Chunk("f", 0, images).unit
        return Case(TargetCropsWorker(self.plan, FORM), unit, (FakeDetector, "detect"))

    def target_embeddings(self, images: int) -> Case:
        """One chunk."""
        case = self.target_crops(images)
        crops(self.plan, "f", images)
        return replace(case, worker=TargetEmbeddingsWorker(self.plan), dies_in=(FakeEmbedder, "embed_images"))

    def thumbnails(self, images: int) -> Case:
        """One chunk."""
        case = self.target_crops(images)
        return replace(
            case, worker=ThumbnailsWorker(self.plan, 16), dies_in=(make_thumbnails, "decode_small")
        )

    def store_files(self, images: int) -> Case:
        """One unit of a retrieval store's manifest."""
        self._folder(images)
        unit = cut_units(self._store.parts(look_at_files.STEP), self._listed().files, MOST_FILES)[0]
        return Case(self._looker, unit, (look_at_files, "probe_image"), self.with_unusable)

    def store_embeddings(self, images: int) -> Case:
        """What is no image is not in the store's manifest."""
        self._folder(images)
        make_manifest(self._looker, [self.plan.layout.folder("f")])
        todo = read_manifest(self._store).select(TODO_COLUMNS)
        unit = cut_units(parts_of(self._store, self.plan.model_id), todo, MOST_FILES)[0]
        worker = StoreEmbedWorker(self.plan, self._store, "2026-01-31")
        return Case(worker, unit, (FakeEmbedder, "embed_images"))

    @property
    def _store(self) -> StoreLayout:
        return StoreLayout(self.plan.layout.data / ".store")

    @property
    def _looker(self) -> LookAtFilesWorker:
        return LookAtFilesWorker(self._store, self.plan.limits, 1, self.plan.max_attempts)

    def _listed(self) -> Listing:
        return listed_files([self.plan.layout.folder("f")], self._store)

    def _shard(self, images: int) -> None:
        good = [(f"k{number:03d}.png", picture(number)) for number in range(images)]
        self.archive.shard("00000", [*([("a.png", b"no image")] if self.with_unusable else []), *good])
        self.archive.tags("00000", {})

    def _folder(self, images: int) -> None:
        self.folders.simple("f", images)
        if self.with_unusable:
            self.folders.make("f", {"a.png": b"no image"})


@pytest.fixture(
    params=[name for name in vars(Kitchen) if not name.startswith("_") and callable(getattr(Kitchen, name))]
)
def cook(request: pytest.FixtureRequest, plan: PipelinePlan, archive: Archive, folders: Folders):
    """Each of the workers, over as many images as are asked for."""

    def make(images: int, with_unusable: bool = True) -> Case:
        return getattr(Kitchen(plan, archive, folders, with_unusable), request.param)(images)

    return make


@pytest.fixture
def _the_dead_leave_journals_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    end = AttemptJournal.__exit__

    def leave(self: AttemptJournal, kind: object, error: object, trace: object) -> None:
        if kind is not Death:
            end(self, kind, error, trace)

    monkeypatch.setattr(AttemptJournal, "__exit__", leave)


pytestmark = pytest.mark.usefixtures("_the_dead_leave_journals_as_they_are")


def run(case: Case, watch: DeathWatch) -> StepCounts | None:
    """The unit's counts; None where it was given up."""
    while True:
        try:
            return case.worker(case.unit)
        except Death:
            if not watch.may_go_on(case.unit):
                return None
        except WorkerLostError:
            return None


def run_on_a_broken_machine(case: Case) -> tuple[StepCounts | None, DeathWatch]:
    def die(*told: object, **more: object) -> None:
        raise Death

    watch = DeathWatch(case.worker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*case.dies_in, die)
        return run(case, watch), watch


def test_all_journalled_workers_are_here() -> None:
    found = {kind.__name__ for kind in Journalled.__subclasses__() if kind.__module__.startswith("autotag.")}
    assert found == {
        "LockedShardWorker",
        "LookAtFilesWorker",
        "SourceEmbeddingsWorker",
        "SourceImagesWorker",
        "StoreEmbedWorker",
        "TargetCropsWorker",
        "TargetEmbeddingsWorker",
        "TargetImagesWorker",
        "ThumbnailsWorker",
    }


@pytest.mark.parametrize("images", [2, 4, 12])
@pytest.mark.parametrize("with_unusable", [True, False], ids=["an unusable one first", "all usable"])
def test_no_image_is_rejected_however_often_a_broken_machine_tries(
    cook: Callable[[int, bool], Case], images: int, with_unusable: bool
) -> None:
    case = cook(images, with_unusable)
    for _ in range(3):
        counts, watch = run_on_a_broken_machine(case)
        assert counts is None
        assert 1 < watch.deaths[case.unit] <= MOST_DEATHS
    mended = run(case, DeathWatch(case.worker))
    assert mended is not None
    assert (mended.made, mended.rejected) == (images, case.unusable)


def test_a_single_image_that_kills_is_rejected(cook: Callable[[int, bool], Case], plan: PipelinePlan) -> None:
    case = cook(1, False)
    counts, watch = run_on_a_broken_machine(case)
    assert counts is not None
    assert (counts.made, counts.rejected) == (0, 1)
    assert 0 < watch.deaths[case.unit] <= 1 + plan.max_attempts
