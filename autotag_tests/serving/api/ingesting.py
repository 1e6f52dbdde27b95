"""An ingest over the fake models and a catalog in memory that can be made to fail and to wait."""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.catalog.protocol import UpsertOutcome
from autotag.domain.catalog_entries import INGESTED_KEY, CatalogImage
from autotag.errors import CatalogUnavailableError
from autotag.models.fakes import DIM
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.ingest import Ingest
from autotag.serving.api.local_models import LocalModels
from autotag.serving.api.metrics import Metrics
from autotag.settings import Settings


class MoodyCatalog(InMemoryCatalog):
    """Counts its writes; fails while `is_down`, and waits until `may_write`."""

    def __init__(self, model_id: str) -> None:
        super().__init__(model_id, DIM)
        self.is_down = False
        self.writes: list[int] = []
        self.may_write = threading.Event()
        self.may_write.set()

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        self.may_write.wait(30)
        self._refuse()
        self.writes.append(len(images))
        return super().upsert(images)

    def delete(self, image_ids: Collection[str]) -> int:
        self._refuse()
        return super().delete(image_ids)

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        self._refuse()
        return super().get(image_ids)

    def ids_in(self, folder: str):
        self._refuse()
        return super().ids_in(folder)

    def files(self) -> list[str]:
        """Of its ingested images."""
        return sorted(each.file for each in self.page(limit=10_000) if each.folder == INGESTED_KEY)

    def _refuse(self) -> None:
        if self.is_down:
            raise CatalogUnavailableError("the store is away")


class Bench:
    """The parts of a service that ingest needs."""

    def __init__(self, settings: Settings, plan: PipelinePlan) -> None:
        self.settings = settings
        self.plan = plan
        self.catalog = MoodyCatalog(plan.model_id)
        self.opened: list[tuple[Ingest, LocalModels]] = []
        self.ingest = self.start()

    def start(self, catalog: MoodyCatalog | None = None) -> Ingest:
        """One more ingest over the same directory, as a process that begins."""
        models = LocalModels(self.plan, self.settings.serve)
        ingest = Ingest(self.settings, self.plan.layout, catalog or self.catalog, models, Metrics())
        self.opened.append((ingest, models))
        return ingest

    def kept(self) -> list[str]:
        """Files of images that are kept."""
        return self.ingest.files.names()

    def directory(self) -> list[str]:
        """Everything in the directory but its lock."""
        root = Path(self.ingest.files.root.path)
        return (
            sorted(each.name for each in root.iterdir() if each.name != ".changing") if root.is_dir() else []
        )

    def close(self) -> None:
        self.catalog.may_write.set()
        for ingest, models in self.opened:
            ingest.close(10)
            models.close(10)
