"""The few global switches of FAISS, behind functions that put them back: threads, read limits, GPUs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotag.errors import CorruptIndexError, SettingsError

_READING = threading.Lock()  # FAISS's read limits are global and not thread-safe
_LEAST_LOOP_LIMIT = 1024


def faiss_version() -> str:
    """Version of the installed FAISS."""
    import faiss

    return faiss.__version__


@contextmanager
def threads(count: int) -> Iterator[None]:
    """FAISS works with `count` threads inside; 0 leaves what is set."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def to_gpu(index: Any, factory: str) -> tuple[Any, Any]:
    """A copy of the index on the first GPU, and the GPU memory that has to live as long as it.

    Raises:
        SettingsError: no GPU here, or FAISS cannot hold this kind of index on one.
    """
    import faiss

    if not hasattr(faiss, "index_cpu_to_gpu") or faiss.get_num_gpus() < 1:
        raise SettingsError(
            'index.device: "cuda" was asked for and FAISS sees no GPU (a driver too old, CUDA_VISIBLE_DEVICES'
            ' empty, or the faiss-cpu build); set index.device = "cpu"'
        )
    resources = faiss.StandardGpuResources()
    try:
        return faiss.index_cpu_to_gpu(resources, 0, index), resources
    except RuntimeError as error:
        raise SettingsError(
            f"index.device: FAISS cannot move {factory} to the GPU ({_first_line(error)});"
            ' set index.device = "cpu"'
        ) from error


def to_cpu(index: Any) -> Any:
    """A copy in host memory of an index on a GPU."""
    import faiss

    return faiss.index_gpu_to_cpu(index)


def set_search_params(index: Any, params: dict[str, float], *, on_gpu: bool = False) -> None:
    """Set nprobe, efSearch or k_factor.

    Raises:
        SettingsError: the index has no such knob.
    """
    import faiss

    space = faiss.GpuParameterSpace() if on_gpu else faiss.ParameterSpace()
    for name, value in params.items():
        try:
            space.set_index_parameter(index, "k_factor_rf" if name == "k_factor" else name, float(value))
        except RuntimeError as error:
            raise SettingsError(
                f"search parameter {name} = {value:g} does not suit this index ({_first_line(error)})"
            ) from error


def read_index(path: Path) -> Any:
    """Read an index file whose hash has been checked, with no allocation larger than the file.

    Raises:
        CorruptIndexError: FAISS cannot read it.
    """
    import faiss

    size_bytes = path.stat().st_size
    with _READING:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(size_bytes)
        faiss.set_deserialization_loop_limit(max(_LEAST_LOOP_LIMIT, size_bytes // 8))
        try:
            # A table that only L2 search uses; larger than the file at times, and checked against the limit.
            return faiss.read_index(str(path), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
        except RuntimeError as error:
            raise CorruptIndexError(
                f"{path}: FAISS {faiss.__version__} cannot read it ({_first_line(error)});"
                " run `autotag build-index`"
            ) from error
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
