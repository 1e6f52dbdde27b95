"""Trains and fills an index from streamed vectors and writes it as one local file.

Two passes over the stream: a sample to learn from, then every vector in order. Never in memory at once: more
than one batch, the sample (gone before the second pass) and the index. Moving the file elsewhere is not done
here.
"""

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autotag.errors import (
    CountsDoNotCloseError,
    ModelMismatchError,
    PermanentError,
    SettingsError,
    UnwritableRootError,
)
from autotag.reference.choose import Device, IndexPlan
from autotag.reference.factory_size import PQ_CENTROIDS, ROWS_PER_CENTROID
from autotag.reference.faiss_runtime import faiss_version, set_search_params, threads, to_cpu, to_gpu
from autotag.reference.manifest import sha256_of_file
from autotag.reference.protocols import VectorBatches, Vectors

_SLICE_ROWS = 65_536
"""Rows turned to float32 and handed to FAISS at a time, however large the batches are."""
_KMEANS_ITERATIONS = 5
# FAISS's 10 cost twice the training and find the same neighbours: what nprobe they need does not differ.
_OPQ_ITERATIONS = 8
_OPQ_FIRST_PQ_ITERATIONS = 10
# FAISS's 50 and 40 take minutes per 10,000 vectors of 640 values on two cores; most of the gain comes
# in the first few.


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build.

    Attributes:
        device: where the index is trained and filled; "cuda" is an error where there is no GPU.
        threads: for FAISS; 0 = as many as cores.
        seed: of the training sample.
    """

    device: Device = "cpu"
    threads: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """What was built.

    Attributes:
        path: the file.
        rows: vectors in it.
        trained_on_rows: vectors it learned from.
        size_bytes: of the file.
        sha256: of the file, hexadecimal.
        faiss_version: that wrote it.
        train_s: first pass and training.
        add_s: second pass and adding.
    """

    path: Path
    rows: int
    trained_on_rows: int
    size_bytes: int
    sha256: str
    faiss_version: str
    train_s: float
    add_s: float


def build_index(
    plan: IndexPlan, batches: VectorBatches, path: Path, options: BuildOptions | None = None
) -> BuiltIndex:
    """Build the planned index and put it at `path`, whole or not at all.

    The same plan, vectors, seed and number of threads give the same file.

    Args:
        plan: from `plan_index`; its rows and dim are what the stream must hold.
        batches: the vectors; read twice, or once when nothing is trained.
        path: a local file; what is there is replaced.
        options: device, threads, seed.

    Raises:
        CountsDoNotCloseError: the stream holds more or fewer vectors than planned.
        ModelMismatchError: vectors of another length.
        PermanentError: a vector that is not finite.
        SettingsError: no GPU where one was asked for, or a factory string FAISS does not know.
        UnwritableRootError: the file cannot be written.
    """
    options = options or BuildOptions()
    with threads(options.threads):
        started = time.perf_counter()
        index, resources = _empty_index(plan, options.device)
        if plan.train_rows:
            index.train(training_sample(plan, batches, options.seed))
        trained = time.perf_counter()
        for block in _slices(plan, batches):
            index.add(block)
        added = time.perf_counter()
        if resources is not None:
            index = to_cpu(index)
        set_search_params(index, plan.search_params)
        _write(index, path)
    return BuiltIndex(
        path=path,
        rows=plan.rows,
        trained_on_rows=plan.train_rows,
        size_bytes=path.stat().st_size,
        sha256=sha256_of_file(path),
        faiss_version=faiss_version(),
        train_s=trained - started,
        add_s=added - trained,
    )


def training_sample(plan: IndexPlan, batches: VectorBatches, seed: int) -> Vectors:
    """One vector from each of `plan.train_rows` equal strides of the stream: float32 (train_rows, dim).

    Deterministic for a seed; rows keep their order. Raises like `build_index`.
    """
    wanted = _sampled_rows(plan.rows, plan.train_rows, seed)
    sample = np.empty((len(wanted), plan.dim), dtype=np.float32)
    start = 0
    for block in _slices(plan, batches):
        low, high = np.searchsorted(wanted, [start, start + len(block)])
        sample[low:high] = block[wanted[low:high] - start]
        start += len(block)
    return sample


def _sampled_rows(rows: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    edges = np.arange(count + 1, dtype=np.int64) * rows // count
    return edges[:-1] + np.random.default_rng(seed).integers(0, np.diff(edges))


def _slices(plan: IndexPlan, batches: VectorBatches) -> Iterator[Vectors]:
    """The stream as checked float32 slices; its length is checked at the end."""
    seen = 0
    for batch in batches():
        if batch.ndim != 2 or batch.shape[1] != plan.dim:
            raise ModelMismatchError(
                f"vectors {seen}.. have shape {batch.shape}, planned were vectors of length {plan.dim};"
                " embed these shards with the model the others were embedded with"
            )
        for low in range(0, len(batch), _SLICE_ROWS):
            block = np.ascontiguousarray(batch[low : low + _SLICE_ROWS], dtype=np.float32)
            if not np.isfinite(block).all():
                raise PermanentError(
                    f"a vector among rows {seen + low} to {seen + low + len(block) - 1} is not finite;"
                    " materialise source_embeddings again for the shard that holds it"
                )
            if seen + low + len(block) > plan.rows:
                raise _miscounted(plan.rows, "more")
            yield block
        seen += len(batch)
    if seen != plan.rows:
        raise _miscounted(plan.rows, str(seen))


def _miscounted(announced: int, found: str) -> CountsDoNotCloseError:
    return CountsDoNotCloseError(f"reference index: {announced} vectors announced, the stream holds {found}")


def _empty_index(plan: IndexPlan, device: Device) -> tuple[Any, Any]:
    import faiss

    try:
        index = faiss.index_factory(plan.dim, plan.factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise SettingsError(
            f"index.factory: FAISS does not make {plan.factory!r} for vectors of length {plan.dim}"
            f" ({str(error).strip().splitlines()[0][:200]}); name another or leave it empty"
        ) from error
    _hasten_training(index)
    if device == "cuda":
        return to_gpu(index, plan.factory)
    if isinstance(index, faiss.IndexFlatCodes):
        index.codes.resize(plan.rows * index.code_size)  # reserves: growing by doubling would hold it twice
        index.codes.resize(0)
    return index, None


def _hasten_training(index: Any) -> None:
    import faiss

    inner = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    ivf = faiss.try_extract_index_ivf(inner)
    if ivf is not None:
        ivf.cp.niter = _KMEANS_ITERATIONS
    if not isinstance(inner, faiss.IndexPreTransform):
        return
    chain: Any = inner.chain  # a C++ vector, whatever the type stubs say
    for position in range(chain.size()):
        transform = faiss.downcast_VectorTransform(chain.at(position))
        if isinstance(transform, faiss.OPQMatrix):
            transform.niter, transform.niter_pq_0 = _OPQ_ITERATIONS, _OPQ_FIRST_PQ_ITERATIONS
            transform.max_train_points = ROWS_PER_CENTROID * PQ_CENTROIDS
    codes = faiss.downcast_index(inner.index)
    if isinstance(codes, faiss.IndexPQ):
        # It reorders centroids for a kind of search that is not used.
        codes.do_polysemous_training = False  # pyright: ignore[reportAttributeAccessIssue]


def _write(index: Any, path: Path) -> None:
    import faiss

    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        faiss.write_index(index, str(temporary))
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise UnwritableRootError(
            f"{path}: the index cannot be written ({str(error).strip().splitlines()[0][:200]}); make room"
            " or make it writable"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
