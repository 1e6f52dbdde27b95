"""faiss_index: every embedded shard of a model id, joined into one released index and its mapping to tags."""

import hashlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError
from autotag.pipeline.mapping_files import write_mapping
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.reference_rows import ReferenceRows
from autotag.reference.build import BuildOptions, BuiltIndex, build_index
from autotag.reference.choose import Device, IndexPlan, plan_index
from autotag.reference.manifest import (
    IMAGES_FILE,
    INDEX_FILE,
    REGIONS_FILE,
    TAGS_FILE,
    ReferenceManifest,
    ReleasedFile,
    sha256_of_file,
)
from autotag.reference.recall import calibrate
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag.storage.release_publishing import prune, publish
from autotag.storage.releases import MARKER, version_name
from autotag.storage.scratch import scratch_directory
from autotag.storage.source_tables import SourceTables


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
        target_recall: recall@10 that nprobe is raised for, in [0, 1].
        keep_versions: releases kept.
    """

    factory: str
    memory_budget_bytes: int
    device: Device
    threads: int
    query_batch: int
    probes: int
    target_recall: float
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
    ours = [name for name in names if name.startswith("shard=") and name.endswith(".parquet")]
    return sorted(name.removeprefix("shard=").removesuffix(".parquet") for name in ours)


def shards_to_index(plan: PipelinePlan) -> list[str]:
    """Names of the shards that an index of the plan's model id would hold, ascending.

    Raises:
        MissingInputError: there is none.
    """
    tables = plan.layout.source(plan.model_id)
    shards = embedded_shards(tables)
    if not shards:
        raise MissingInputError(
            f"no shard is embedded with {plan.model_id} below {tables.root}; materialise source_embeddings first,"
            " or run `autotag segment-source`"
        )
    return shards


def build_reference(plan: PipelinePlan, options: ReferenceOptions) -> ReleasedReference:
    """Build, measure and release a new version. Vectors are streamed; memory holds the index and what `ReferenceRows` says.

    An image that is in several shards is kept once, in the first of them, with the tags of all. Where no shard has
    a usable image nothing is released, and the release before stays.

    Raises:
        MissingInputError: nothing is embedded with this model id, or no image of what is.
        ModelMismatchError: a table among them is of another model id.
        SettingsError: no index fits the memory budget.
        RetryableError: a shard was embedded again meanwhile.
    """
    started = time.perf_counter()
    tables = plan.layout.source(plan.model_id)
    shards = shards_to_index(plan)
    rows = ReferenceRows(plan, shards)
    if not rows.counts.regions:
        raise MissingInputError(
            f"none of the {len(shards)} embedded shards below {tables.root} has a usable image; the tables below"
            f" {tables.root / 'rejects'} say why"
        )
    with scratch_directory() as scratch:
        write_mapping(rows, scratch)
        index_plan = plan_index(
            rows.counts.regions,
            rows.dim,
            options.memory_budget_bytes,
            factory=options.factory or None,
            target_recall=options.target_recall,
            device=options.device,
        )
        built = build_index(
            index_plan, rows.batches, scratch / INDEX_FILE, BuildOptions(options.device, options.threads)
        )
        manifest = _measured(_manifest(plan, rows, index_plan, built), rows, scratch, options)
        (scratch / MARKER).write_text(manifest.to_json(), encoding="utf-8")
        directory = publish(scratch, plan.layout.reference, plan.model_id, manifest.version)
        prune(plan.layout.reference, plan.model_id, options.keep_versions)
    rows.counts.seconds = time.perf_counter() - started
    return ReleasedReference(manifest, directory, rows.counts.close("faiss_index"))


def _manifest(
    plan: PipelinePlan, rows: ReferenceRows, index_plan: IndexPlan, built: BuiltIndex
) -> ReferenceManifest:
    now = datetime.now(UTC)
    files = {INDEX_FILE: ReleasedFile(built.size_bytes, built.sha256)}
    for path in (built.path.with_name(name) for name in (REGIONS_FILE, IMAGES_FILE, TAGS_FILE)):
        files[path.name] = ReleasedFile(path.stat().st_size, sha256_of_file(path))
    # Of all: the same vectors with other tags, built within a second, are another release.
    content = hashlib.sha256(" ".join(file.sha256 for file in files.values()).encode()).hexdigest()
    return ReferenceManifest(
        model_id=plan.model_id,
        version=version_name(now, content),
        rows=built.rows,
        dim=rows.dim,
        factory=index_plan.factory,
        search_params=dict(index_plan.search_params),
        shards=rows.shards,
        faiss_version=built.faiss_version,
        files=files,
        trained_on_rows=built.trained_on_rows,
        created_at=now.isoformat(timespec="seconds"),
        recall_at_10=None,
        reason=index_plan.reason,
    )


def _measured(
    manifest: ReferenceManifest, rows: ReferenceRows, scratch: Path, options: ReferenceOptions
) -> ReferenceManifest:
    """Raise nprobe until recall is good enough, and write down what was reached."""
    search = SearchOptions(options.device, options.threads, options.query_batch)
    searcher = ReferenceSearcher.open(scratch, manifest, search)
    probes, own_rows = rows.probes(options.probes)
    found = calibrate(searcher, probes, rows.batches, options.target_recall, own_rows=own_rows)
    return replace(manifest, search_params=found.search_params, recall_at_10=found.recall)
