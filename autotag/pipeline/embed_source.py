"""source_embeddings: one pass over a shard. Decode once > detect > cut > embed > Parquet; no crop touches the disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from upath import UPath

from autotag.compute.kernel import Decoded, EmbeddedImage, Kernel, embed_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.regions import Region
from autotag.domain.schemas import REJECTS, source_embeddings
from autotag.errors import MissingInputError, RejectedImageError, RetryableError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan, loaded_detector, loaded_embedder
from autotag.pipeline.read_source_images import source_fingerprints
from autotag.pipeline.recorded_boxes import RecordedBoxes, embeddings_fingerprint, is_made_from
from autotag.pipeline.region_rows import embedding_column, region_columns, repeat_for_regions
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.removal import remove_file
from autotag.storage.source_tables import SourceTables
from autotag.storage.tables import Stamp, TableWriter, is_current, read_stamp, read_table, write_table

Recorded = dict[str, list[Region]]
"""Regions by media id, from an earlier pass."""

Runner = Callable[[list[str], Sequence[Decoded]], list[EmbeddedImage | RejectedImageError]]


@dataclass(frozen=True, slots=True)
class SourceEmbeddingsWorker(Journalled):
    """Embeds shards; models are loaded when the first shard arrives.

    Attributes:
        plan: paths, models, rules.
        boxes_from: model id whose recorded boxes are used instead of detecting; empty to detect.
    """

    plan: PipelinePlan
    boxes_from: str = ""

    def __call__(self, shard: str) -> StepCounts:
        """Write the embeddings of one shard; a shard that is done is left alone.

        When only its tags changed, the tags are rewritten and nothing is computed again.

        Raises:
            MissingInputError: the shard has no manifest or no recorded boxes, or stale ones.
            ModelMismatchError: the recorded boxes are another detector's.
        """
        tables = self.plan.layout.source(self.plan.model_id)
        manifest = read_stamp(tables.images(shard))
        if manifest is None:
            raise MissingInputError(
                f"{tables.images(shard)} is not there; materialise source_images of {shard} first"
            )
        if manifest.extra["pixels"] != source_fingerprints(self.plan, shard)[0]:
            raise MissingInputError(
                f"{shard}.tar changed after its manifest; materialise source_images of {shard} again"
            )
        pixels = manifest.extra["pixels"]
        images = read_table(tables.images(shard))
        stamp = read_stamp(tables.embeddings(shard))
        boxes = self._boxes(shard, pixels, stamp)
        made_from = embeddings_fingerprint(self.plan, pixels, self.plan.model_id, boxes)
        if (
            stamp
            and stamp.fingerprint == made_from
            and is_current(tables.embedding_rejects(shard), made_from)
        ):
            if stamp.extra["manifest"] != manifest.fingerprint:
                _rewrite_tags(tables, shard, images, stamp, manifest.fingerprint)
            remove_file(tables.attempt(shard))  # of a worker that died between its last table and its journal
            return StepCounts.from_record(stamp.extra["counts"])
        extra = {"manifest": manifest.fingerprint} | ({"boxes": boxes} if boxes else {})
        new = Stamp("source_embeddings", self.plan.model_id, made_from, extra)
        recorded = RecordedBoxes(self.plan, self.boxes_from, shard).read() if boxes else None
        return self._embed(shard, images, recorded, new)

    def journal(self, unit: str) -> UPath:
        """The shard's journal of this step."""
        return self.plan.layout.source(self.plan.model_id).attempt(unit)

    def _boxes(self, shard: str, pixels: str, stamp: Stamp | None) -> str:
        """Fingerprint of the recorded boxes to be embedded; empty to detect, or where that has been done."""
        model = self.plan.model_id
        if not self.boxes_from or (
            stamp and stamp.fingerprint == embeddings_fingerprint(self.plan, pixels, model)
        ):
            return ""
        if stamp and self.boxes_from == model and is_made_from(stamp, self.plan, pixels, model):
            return stamp.extra["boxes"]  # its own boxes, from wherever it has them
        return RecordedBoxes(self.plan, self.boxes_from, shard).fingerprint(pixels)

    def _embed(self, shard: str, images: pa.Table, recorded: Recorded | None, stamp: Stamp) -> StepCounts:
        clock, tables = StageClock(), self.plan.layout.source(self.plan.model_id)
        # Before the models are loaded: a death of that is no image's fault.
        journal = AttemptJournal(self.journal(shard), stamp.fingerprint, self.plan.max_attempts)
        run = self._runner(recorded, clock)
        embedder = loaded_embedder(self.plan.embedder)
        counts = StepCounts(taken=images.num_rows, units=1)
        rejects: list[dict[str, object]] = []
        path = self.plan.layout.shard(shard)
        schema = source_embeddings(embedder.dim)
        with (
            journal,
            path.open("rb") as stream,
            TableWriter(tables.embeddings(shard), schema, stamp) as writer,
        ):
            offsets, sizes = images["offset_bytes"].to_pylist(), images["size_bytes"].to_pylist()
            pixels = np.multiply(images["width"].to_numpy(), images["height"].to_numpy(), dtype=np.int64)
            unit = UnitImages(
                images["key"].to_pylist(), lambda i: _read_at(stream, offsets[i], sizes[i]), pixels.tolist()
            )
            walk = walk_unit(
                unit, self.plan.limits, journal, clock, self.plan.batch_images, self.plan.threads
            )
            for batch, decoded in walk:
                rows = images.take(pa.array(batch))
                results = run(rows["media_id"].to_pylist(), decoded)
                with clock.stage("write"):
                    writer.write(_columns(rows, results, schema))
                rejects.extend(_reject_rows(rows, results))
            counts.regions, counts.rejected = writer.rows, len(rejects)
            counts.made = counts.taken - counts.rejected
            counts.stage_ms, counts.notes = clock.ms, clock.notes()
            stamp.extra["counts"] = counts.close(f"source_embeddings of {shard}").to_record()
            rejects.sort(key=lambda row: (row["offset_bytes"], row["key"]))
            table = pa.Table.from_pylist(rejects, schema=REJECTS)
            write_table(tables.embedding_rejects(shard), table, REJECTS, stamp)
        return counts

    def _runner(self, recorded: Recorded | None, clock: StageClock) -> Runner:
        """Media ids and pixels -> regions and vectors; the detector is loaded only where it has work."""
        embedder = loaded_embedder(self.plan.embedder)
        if recorded is None:
            kernel = Kernel(loaded_detector(self.plan.detector), embedder, self.plan.rules, clock)
            return lambda _, decoded: kernel.run(decoded)
        missing = RejectedImageError("detect", f"no recorded boxes of {self.boxes_from}")
        return lambda media, decoded: embed_regions(
            embedder, decoded, [recorded.get(name, missing) for name in media], clock
        )


def _read_at(stream: BinaryIO, offset_bytes: int, size_bytes: int) -> bytes:
    try:
        stream.seek(offset_bytes)
        data = stream.read(size_bytes)
    except OSError as error:
        raise RetryableError(f"reading the tar at byte {offset_bytes} failed ({error}); try again") from error
    if len(data) != size_bytes:
        raise RejectedImageError("read", f"the tar ends {size_bytes - len(data)} bytes too early")
    return data


def _columns(
    rows: pa.Table, results: list[EmbeddedImage | RejectedImageError], schema: pa.Schema
) -> dict[str, object] | pa.Table:
    good = [index for index, result in enumerate(results) if isinstance(result, EmbeddedImage)]
    embedded = [result for result in results if isinstance(result, EmbeddedImage)]
    if not embedded:
        return schema.empty_table()
    kept = rows.take(pa.array(good))
    regions = [image.regions for image in embedded]
    return {
        **region_columns(kept["media_id"].to_pylist(), regions),
        "key": repeat_for_regions(kept["key"].to_pylist(), regions),
        "phash": repeat_for_regions(kept["phash"].to_pylist(), regions),
        "tags": repeat_for_regions(kept["tags"].to_pylist(), regions),
        "embedding": embedding_column(embedded),
    }


def _reject_rows(
    rows: pa.Table, results: list[EmbeddedImage | RejectedImageError]
) -> list[dict[str, object]]:
    keys, offsets = rows["key"].to_pylist(), rows["offset_bytes"].to_pylist()
    return [
        {"key": key, "offset_bytes": offset, "stage": result.stage, "reason": result.reason}
        for key, offset, result in zip(keys, offsets, results, strict=True)
        if isinstance(result, RejectedImageError)
    ]


def _rewrite_tags(tables: SourceTables, shard: str, images: pa.Table, stamp: Stamp, manifest: str) -> None:
    """Tags changed, pixels did not: the same rows with the new tags."""
    tags = dict(zip(images["media_id"].to_pylist(), images["tags"].to_pylist(), strict=True))
    rows = read_table(tables.embeddings(shard))
    fresh = pa.array([tags[media] for media in rows["media_id"].to_pylist()], rows.schema.field("tags").type)
    position = rows.schema.get_field_index("tags")
    rows = rows.set_column(position, rows.schema.field("tags"), fresh)
    stamp.extra["manifest"] = manifest
    write_table(tables.embeddings(shard), rows, rows.schema.remove_metadata(), stamp)
