"""faiss_index: every embedded shard of a model id, joined into one released index and its mapping to tags."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from autotag.domain.counts import StepCounts
from autotag.domain.schemas import REFERENCE_MAPPING
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.build import BuiltIndex, BuildOptions, build_index
from autotag.reference.choose import Device, IndexPlan, plan_index
from autotag.reference.manifest import ReferenceManifest, sha256_of_file
from autotag.reference.protocols import Batch
from autotag.reference.recall import calibrate
from autotag.reference.searcher import INDEX_FILE, ReferenceSearcher, SearchOptions
from autotag.storage.layout import SourceTables
from autotag.storage.releases import MARKER, prune, publish, version_name
from autotag.storage.tables import Stamp, TableWriter, iter_batches, read_schema, read_stamp, read_table, scratch_directory
from upath import UPath

MAPPING_FILE = "mapping.parquet"
ROWS_A_BATCH = 16_384
TARGET_RECALL = 0.95


@dataclass(frozen=True, slots=True)
class ReferenceOptions:
    """How the index is built and measured.

    Attributes:
        factory: FAISS factory string that wins over every rule; empty to choose.
        memory_budget_bytes: the index must fit.
        device: where FAISS works.
        threads: for FAISS; 0 for all cores.
        query_batch: queries a search call.
        probes: vectors asked for when recall is measured.
        keep_versions: releases kept.
    """

    factory: str
    memory_budget_bytes: int
    device: Device
    threads: int
    query_batch: int
    probes: int
    keep_versions: int


@dataclass(frozen=True, slots=True)
class ReleasedReference:
    """What was released: the manifest, where it lies, and the counts (images, duplicates, regions)."""

    manifest: ReferenceManifest
    directory: UPath
    counts: StepCounts


def embedded_shards(tables: SourceTables) -> list[str]:
    """Names of the shards that are embedded, ascending."""
    directory = tables.root / "embeddings"
    if not directory.is_dir():
        return []
    names = [path.name for path in directory.iterdir()]
    return sorted(n.removeprefix("shard=").removesuffix(".parquet") for n in names if n.startswith("shard="))


def build_reference(plan: PipelinePlan, options: ReferenceOptions) -> ReleasedReference:
    """Build, measure and release a new version. Vectors are streamed; memory holds the index and one batch.

    An image that is in several shards is kept once, in the first of them.

    Raises:
        MissingInputError: nothing is embedded with this model id.
        ModelMismatchError: a table among them is of another model id.
        SettingsError: no index fits the memory budget.
    """
    started = time.perf_counter()
    tables = plan.layout.source(plan.model_id)
    shards = embedded_shards(tables)
    if not shards:
        raise MissingInputError(
            f"no shard is embedded with {plan.model_id} below {tables.root}; materialise source_embeddings first"
        )
    with scratch_directory() as scratch:
        rows = _SourceRows(plan, tables, shards)
        mapping = scratch / MAPPING_FILE
        rows.write_mapping(UPath(mapping))
        index_plan = plan_index(
            rows.counts.regions,
            rows.dim,
            options.memory_budget_bytes,
            factory=options.factory or None,
            target_recall=TARGET_RECALL,
            device=options.device,
        )
        built = build_index(
            index_plan, rows.batches, scratch / INDEX_FILE, BuildOptions(options.device, options.threads)
        )
        manifest = _measured(_manifest(plan, rows, index_plan, built, mapping), rows, scratch, options)
        (scratch / MARKER).write_text(manifest.to_json(), encoding="utf-8")
        directory = publish(scratch, plan.layout.reference, plan.model_id, manifest.version)
        prune(plan.layout.reference, plan.model_id, options.keep_versions)
    rows.counts.seconds = time.perf_counter() - started
    return ReleasedReference(manifest, directory, rows.counts.close("faiss_index"))


class _SourceRows:
    """The rows of all shards that are kept, streamed as often as needed."""

    def __init__(self, plan: PipelinePlan, tables: SourceTables, shards: Sequence[str]) -> None:
        self._tables = tables
        self.shards = shards
        self.dim = _dim(plan, tables, shards)
        self.counts = StepCounts()
        self.tags_sha256 = ""
        self._kept: dict[str, npt.NDArray[np.bool_]] = {}

    def write_mapping(self, path: UPath) -> None:
        seen: set[bytes] = set()
        tags = hashlib.sha256()
        with TableWriter(path, REFERENCE_MAPPING, Stamp("reference_mapping")) as writer:
            for shard in self.shards:
                table = self._mapping_rows(shard, seen)
                tags.update(repr(table["tags"].to_pylist()).encode())
                writer.write(table)
            self.counts.regions = writer.rows
        self.counts.made = len(seen)
        self.tags_sha256 = tags.hexdigest()

    def _mapping_rows(self, shard: str, seen: set[bytes]) -> pa.Table:
        columns = ["region_id", "media_id", "key", "kind", "box_xyxy_px", "area_px", "phash", "tags"]
        rows = read_table(self._tables.embeddings(shard), columns)
        media = [bytes.fromhex(name) for name in rows["media_id"].to_pylist()]
        new = set(media) - seen
        mask = np.fromiter((name in new for name in media), dtype=bool, count=len(media))
        self.counts.taken += len(set(media))
        self.counts.duplicates += len(set(media)) - len(new)
        self.counts.units += 1
        seen |= new
        self._kept[shard] = mask
        share = _area_share(rows)
        table = rows.append_column("area_share", pa.array(share, pa.float32()))
        table = table.append_column("shard", pa.array([shard] * len(media), pa.string()))
        return table.filter(pa.array(mask)).select(REFERENCE_MAPPING.names)

    def batches(self) -> Iterator[Batch]:
        for shard in self.shards:
            mask, first = self._kept[shard], 0
            for batch in iter_batches(self._tables.embeddings(shard), ["embedding"], ROWS_A_BATCH):
                vectors = vectors_from_arrow(batch.column(0))
                yield vectors[mask[first : first + len(vectors)]]
                first += len(vectors)

    def probes(self, count: int) -> npt.NDArray[np.float32]:
        wanted = np.unique(np.linspace(0, self.counts.regions - 1, count).astype(np.int64))
        found, first = [], 0
        for batch in self.batches():
            inside = wanted[(wanted >= first) & (wanted < first + len(batch))] - first
            found.append(np.asarray(batch[inside], dtype=np.float32))
            first += len(batch)
        return np.concatenate(found)


def _area_share(rows: pa.Table) -> npt.NDArray[np.float64]:
    """Each region's part of its image; region 0, the whole image, comes first in every image."""
    area = rows["area_px"].to_numpy().astype(np.float64)
    whole = np.where(pc.equal(rows["kind"], "image").to_numpy(zero_copy_only=False), np.arange(len(area)), 0)
    return area / area[np.maximum.accumulate(whole)]


def _dim(plan: PipelinePlan, tables: SourceTables, shards: Sequence[str]) -> int:
    for shard in shards:
        stamp = read_stamp(tables.embeddings(shard))
        if stamp is None or stamp.model_id != plan.model_id:
            other = stamp.model_id if stamp else "an unknown model"
            raise ModelMismatchError(
                f"{tables.embeddings(shard)} is of {other}, not of {plan.model_id}; remove it or embed the shard again"
            )
    return int(read_schema(tables.embeddings(shards[0])).field("embedding").type.list_size)


def _manifest(
    plan: PipelinePlan, rows: _SourceRows, index_plan: IndexPlan, built: BuiltIndex, mapping: Path
) -> ReferenceManifest:
    now = datetime.now(UTC)
    return ReferenceManifest(
        model_id=plan.model_id,
        version=version_name(now, built.sha256),
        rows=built.rows,
        dim=rows.dim,
        factory=index_plan.factory,
        search_params=dict(index_plan.search_params),
        shards=tuple(rows.shards),
        faiss_version=built.faiss_version,
        index_sha256=built.sha256,
        index_bytes=built.size_bytes,
        mapping_sha256=sha256_of_file(mapping),
        tags_sha256=rows.tags_sha256,
        trained_on_rows=built.trained_on_rows,
        created_at=now.isoformat(timespec="seconds"),
        recall_at_10=None,
        reason=index_plan.reason,
    )


def _measured(
    manifest: ReferenceManifest, rows: _SourceRows, scratch: Path, options: ReferenceOptions
) -> ReferenceManifest:
    """Raise nprobe until recall is good enough, and write down what was reached."""
    from dataclasses import replace

    if not rows.counts.regions:
        return manifest
    search = SearchOptions(options.device, options.threads, options.query_batch)
    searcher = ReferenceSearcher.open(scratch, manifest, search)
    found = calibrate(searcher, rows.probes(options.probes), rows.batches, TARGET_RECALL)
    return replace(manifest, search_params=found.search_params, recall_at_10=found.recall)
