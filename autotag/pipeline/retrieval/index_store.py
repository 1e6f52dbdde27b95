"""build-index: the latest vector of every image of a store, in a flat index, released with its mapping."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.store_schemas import STORE_MAPPING
from autotag.errors import CorruptIndexError, MissingInputError
from autotag.pipeline.retrieval.latest_vectors import LatestVectors, latest_vectors
from autotag.pipeline.retrieval.store_manifest import read_manifest
from autotag.pipeline.retrieval.units import store_lock
from autotag.pipeline.retrieval.vector_parts import vector_parts
from autotag.reference.build import BuildOptions, BuiltIndex, build_index
from autotag.reference.choose import plan_index
from autotag.reference.manifest import INDEX_FILE, sha256_of_file
from autotag.search.store_index import FORMAT, MAPPING_FILE, StoreRelease, open_store_index
from autotag.storage.fingerprints import fingerprint
from autotag.storage.locks import held
from autotag.storage.release_publishing import prune, publish
from autotag.storage.releases import MARKER, current, version_name
from autotag.storage.scratch import scratch_directory
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import Stamp, read_schema, write_table

MAPPING_GROUP_ROWS = 4096
"""A look-up of a hit reads one row group."""


@dataclass(frozen=True, slots=True)
class StoreIndexOptions:
    """How a store's index is built.

    Attributes:
        model_id: whose vectors.
        memory_budget_bytes: the index must fit.
        threads: for FAISS; 0 for all cores.
        keep_versions: releases kept.
        cache: local directory for receipts of hashes.
    """

    model_id: str
    memory_budget_bytes: int
    threads: int
    keep_versions: int
    cache: Path


@dataclass(frozen=True, slots=True)
class ReleasedStoreIndex:
    """What was released, where it lies, and the counts."""

    release: StoreRelease
    directory: UPath
    counts: StepCounts


def index_store(store: StoreLayout, options: StoreIndexOptions) -> ReleasedStoreIndex:
    """Build and release; where the index in use was made from the same vectors and is whole, it stays.

    Counts are of vectors: of images that are in the manifest; older ones of an image count as duplicates.

    Raises:
        MissingInputError: the store has no manifest, or no vector of this model.
        SettingsError: the index does not fit the memory budget.
        InUseError: another command works on the store.
    """
    started = time.perf_counter()
    with held(store_lock(store)):
        manifest = read_manifest(store)
        parts = vector_parts(store, options.model_id)
        vectors = latest_vectors(list(parts), options.model_id, manifest["media_id"]) if parts else None
        if vectors is None or not vectors.rows.num_rows:
            raise MissingInputError(
                f"no image of {store.root} has a vector of {options.model_id}; run this first:\n"
                f"  autotag embed --store {store.root}"
            )
        versions = {str(path): version for path, version in parts.items()}
        made_from = fingerprint(format=FORMAT, parts=versions, manifest=_media_of(vectors, manifest))
        kept = _kept(store, options, made_from)
        release = kept or _build(store, options, vectors, manifest, made_from)
    counts = StepCounts(taken=vectors.rows.num_rows + vectors.older, made=vectors.rows.num_rows, units=1)
    counts.duplicates, counts.ignored, counts.resumed = (
        vectors.older,
        vectors.strangers,
        int(kept is not None),
    )
    counts.regions, counts.seconds = counts.made, time.perf_counter() - started
    return ReleasedStoreIndex(release, current(store.index, options.model_id), counts.close("build-index"))


def _media_of(vectors: LatestVectors, manifest: pa.Table) -> str:
    """What the mapping is made from."""
    digest = hashlib.sha256()
    for name, column in (
        ("media", vectors.rows["media_id"]),
        ("file", manifest["file"]),
        ("of", manifest["media_id"]),
    ):
        digest.update(name.encode())
        for chunk in column.chunks:
            digest.update("\0".join(chunk.to_pylist()).encode())
    return digest.hexdigest()


def _kept(store: StoreLayout, options: StoreIndexOptions, made_from: str) -> StoreRelease | None:
    """The release in use, where it is whole and made from this."""
    try:
        release = open_store_index(store, options.model_id, options.cache).release
    except (MissingInputError, CorruptIndexError):
        return None
    return release if release.made_from == made_from else None


def _build(
    store: StoreLayout, options: StoreIndexOptions, vectors: LatestVectors, manifest: pa.Table, made_from: str
) -> StoreRelease:
    rows, dim = vectors.rows.num_rows, read_schema(vectors.parts[0]).field("embedding").type.list_size
    plan = plan_index(rows, dim, options.memory_budget_bytes, factory="Flat")
    with scratch_directory() as scratch:
        mapping = UPath(scratch / MAPPING_FILE)
        stamp = Stamp("store_mapping", options.model_id, made_from)
        write_table(mapping, _mapping(vectors, manifest), STORE_MAPPING, stamp, MAPPING_GROUP_ROWS)
        built = build_index(
            plan, vectors.batches, scratch / INDEX_FILE, BuildOptions(threads=options.threads)
        )
        release = _release(options.model_id, built, dim, manifest.num_rows - rows, made_from)
        (scratch / MARKER).write_text(release.to_json(), encoding="utf-8")
        publish(scratch, store.index, options.model_id, release.version)
    prune(store.index, options.model_id, options.keep_versions)
    return release


def _mapping(vectors: LatestVectors, manifest: pa.Table) -> pa.Table:
    """Rows of `STORE_MAPPING` in the order of the vectors."""
    place = {media: row for row, media in enumerate(manifest["media_id"].to_pylist())}
    images = manifest.take(
        pa.array([place[media] for media in vectors.rows["media_id"].to_pylist()], pa.int64())
    )
    return images.select(["media_id", "file", "width", "height"]).append_column(
        "embedded_at", vectors.rows["embedded_at"]
    )


def _release(model_id: str, built: BuiltIndex, dim: int, without: int, made_from: str) -> StoreRelease:
    now = datetime.now(UTC)
    sha256 = {INDEX_FILE: built.sha256, MAPPING_FILE: sha256_of_file(built.path.with_name(MAPPING_FILE))}
    # With the time: a release that is damaged within its second gets a successor of another name.
    content = hashlib.sha256(" ".join([now.isoformat(), *sha256.values()]).encode()).hexdigest()
    return StoreRelease(
        format=FORMAT,
        model_id=model_id,
        version=version_name(now, content),
        rows=built.rows,
        dim=dim,
        without_vector=without,
        made_from=made_from,
        sha256=sha256,
        faiss_version=built.faiss_version,
        created_at=now.isoformat(timespec="seconds"),
    )
