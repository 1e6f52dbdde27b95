"""Embeds the images of one unit of a store, each as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from upath import UPath

from autotag.compute.kernel import Decoded, EmbeddedImage, embed_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.regions import Region, whole_image
from autotag.domain.schemas import REJECTS
from autotag.domain.store_schemas import store_embeddings
from autotag.domain.vectors import vectors_to_arrow
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.pipeline.retrieval.units import UnitFiles, reject_table
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.folder_files import read_file
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import Stamp, read_table, write_table

STEP = "embed"

GONE = "its folder is gone; run `autotag manifest` again for the directory above it"


@dataclass(frozen=True, slots=True)
class StoreEmbedWorker(Journalled):
    """Embeds units. `day` names the partition their vectors go to, like 2026-01-31."""

    plan: PipelinePlan
    store: StoreLayout
    day: str

    def __call__(self, unit: str) -> StepCounts:
        """Write the unit's rejects, then its vectors: from then on its images count as embedded."""
        todo = read_table(self._files(unit).todo)
        clock = StageClock()
        with AttemptJournal(self.journal(unit), unit, self.plan.max_attempts) as journal:
            made, rejects = self._walk(todo, journal, clock)
            counts = StepCounts(taken=todo.num_rows, made=len(made), rejected=len(rejects), units=1)
            counts.regions = counts.made
            counts.stage_ms, counts.notes = clock.ms, clock.notes()
            self._commit(unit, todo, made, rejects, counts.close(STEP))
        return counts

    def journal(self, unit: str) -> UPath:
        """The unit's journal."""
        return self._files(unit).journal

    def _files(self, unit: str) -> UnitFiles:
        return UnitFiles(parts_of(self.store, self.plan.model_id), unit)

    def _walk(
        self, todo: pa.Table, journal: AttemptJournal, clock: StageClock
    ) -> tuple[dict[int, EmbeddedImage], dict[int, RejectedImageError]]:
        """Results and rejects by row."""
        plan, paths, media = self.plan, todo["file"].to_pylist(), todo["media_id"].to_pylist()

        def read(index: int) -> bytes:
            path = UPath(paths[index])
            try:
                return read_file(path.parent, path.name, media[index])
            except MissingInputError as error:  # one folder of many, unlike where a folder is all there is
                raise RejectedImageError("read", GONE) from error

        pixels = [
            width * height
            for width, height in zip(*(todo[n].to_pylist() for n in ("width", "height")), strict=True)
        ]
        images = UnitImages(paths, read, pixels)
        made: dict[int, EmbeddedImage] = {}
        rejects: dict[int, RejectedImageError] = {}
        embedder = loaded_embedder(plan.embedder)
        for batch, decoded in walk_unit(images, plan.limits, journal, clock, plan.batch_images, plan.threads):
            found = embed_regions(embedder, decoded, [_whole(image) for image in decoded], clock)
            for index, result in zip(batch, found, strict=True):
                if isinstance(result, RejectedImageError):
                    rejects[index] = result
                else:
                    made[index] = result
        return made, rejects

    def _commit(
        self,
        unit: str,
        todo: pa.Table,
        made: dict[int, EmbeddedImage],
        rejects: dict[int, RejectedImageError],
        counts: StepCounts,
    ) -> None:
        stamp = Stamp("store_embeddings", self.plan.model_id, unit, {"counts": counts.to_record()})
        if rejects:
            paths = todo["file"].to_pylist()
            rows = reject_table([(paths[index], error) for index, error in rejects.items()])
            write_table(
                self.store.embedding_rejects(self.plan.model_id) / f"{unit}.parquet", rows, REJECTS, stamp
            )
        if made:
            table = _vector_rows(todo, made, datetime.now(UTC))
            write_table(
                self.store.embedding_part(self.plan.model_id, self.day, unit), table, table.schema, stamp
            )


def parts_of(store: StoreLayout, model_id: str) -> UPath:
    """Directory of a model's units: what kills one model's workers may do another's no harm."""
    return store.parts(f"{STEP}-{model_id}")


def _whole(image: Decoded) -> list[Region] | RejectedImageError:
    return image if isinstance(image, RejectedImageError) else [whole_image(image.shape[1], image.shape[0])]


def _vector_rows(todo: pa.Table, made: dict[int, EmbeddedImage], now: datetime) -> pa.Table:
    order: Sequence[int] = sorted(made)
    rows = todo.take(pa.array(order, pa.int64()))
    vectors = vectors_to_arrow(np.concatenate([made[index].vectors for index in order]))
    columns = [
        rows["media_id"],
        rows["file"],
        pa.array([now] * len(order), pa.timestamp("us", "UTC")),
        vectors,
    ]
    return pa.table(columns, schema=store_embeddings(vectors.type.list_size))
