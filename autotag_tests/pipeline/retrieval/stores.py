"""A retrieval store below a test's directory, with the steps on it as the commands take them."""

from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.retrieval.embed_store import embed_store
from autotag.pipeline.retrieval.index_store import ReleasedStoreIndex, StoreIndexOptions, index_store
from autotag.pipeline.retrieval.look_at_files import LookAtFilesWorker
from autotag.pipeline.retrieval.make_manifest import make_manifest
from autotag.settings import Settings
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import read_table
from autotag_tests.conftest import picture
from autotag_tests.pipeline.reference_steps import coloured


@dataclass
class TestStore:
    """A store and the directory of images it is of."""

    __test__ = False

    here: Path
    settings_file: Path
    embedder: str = "fake"

    @property
    def images(self) -> Path:
        return self.here / "images"

    @property
    def layout(self) -> StoreLayout:
        return StoreLayout(UPath(self.here / "store"))

    @property
    def settings(self) -> Settings:
        return Settings.load(
            self.settings_file, {"models.detector": "whole", "models.embedder": self.embedder}
        )

    @property
    def plan(self) -> PipelinePlan:
        return plan_of(self.settings)

    def put(self, name: str, data: bytes) -> Path:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def some(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            self.put(f"p{number:04d}.png", picture(number))

    def colours(self) -> None:
        for number, colour in enumerate(("red", "green", "blue")):
            self.put(f"{colour}.png", coloured(colour, number))

    def manifest(self, *directories: Path) -> StepCounts:
        worker = LookAtFilesWorker(self.layout, self.plan.limits, 2, 3)
        return make_manifest(worker, [UPath(each) for each in directories or (self.images,)])

    def embed(self) -> StepCounts:
        return embed_store(self.plan, self.settings, self.layout)

    def index(self) -> ReleasedStoreIndex:
        cache = self.here / "cache" / "stores"
        return index_store(self.layout, StoreIndexOptions(self.plan.model_id, 64 << 20, 1, 2, cache))

    def rows(self) -> list[dict[str, object]]:
        """The manifest, paths below the directory of images."""
        found = read_table(self.layout.manifest).to_pylist()
        return [row | {"file": str(Path(str(row["file"])).relative_to(self.images))} for row in found]

    def rejects(self) -> dict[str, str]:
        """Stage by path below the directory of images."""
        found = read_table(self.layout.rejects).to_pylist()
        return {str(Path(row["key"]).relative_to(self.images)): row["stage"] for row in found}

    def parts(self) -> list[Path]:
        return sorted(Path(str(self.layout.embeddings(self.plan.model_id))).rglob("*.parquet"))

    def vectors(self) -> list[str]:
        """Media ids of all vectors of the model, as often as they are there."""
        return sorted(
            media for path in self.parts() for media in read_table(UPath(path))["media_id"].to_pylist()
        )
