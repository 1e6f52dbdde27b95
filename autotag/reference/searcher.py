"""Opens a released index and searches it. FAISS reads no byte of a file that is not the one released."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from autotag.errors import CorruptIndexError, MissingInputError, ModelMismatchError
from autotag.reference.choose import Device
from autotag.reference.faiss_runtime import read_index, set_search_params, threads, to_gpu
from autotag.reference.hits import SearchHits, rank_hits
from autotag.reference.manifest import INDEX_FILE, ReferenceManifest, sha256_of_file
from autotag.reference.protocols import Vectors, checked_queries

_TIE_SLACK = 8
"""Neighbours asked for beyond k, so that equal similarities at the edge are settled by row, not by FAISS."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    Attributes:
        device: "cuda" is an error where there is no GPU or FAISS cannot hold the index on one.
        threads: for FAISS; 0 = as many as cores.
        query_batch: queries a FAISS call.
    """

    device: Device = "cpu"
    threads: int = 0
    query_batch: int = 20_000


class ReferenceSearcher:
    """A `NeighbourSearcher` over a released index. Threads may share it on the CPU while nobody tunes it."""

    def __init__(self, index: Any, search_params: dict[str, float], options: SearchOptions) -> None:
        """Wrap a FAISS index in host memory; `open` is the way in for released ones.

        Raises:
            SettingsError: a search parameter the index does not have, or no GPU where one was asked for.
        """
        self._options = options
        self._on_gpu = options.device == "cuda"
        self._resources: Any = None
        self._index = index
        self.search_params: dict[str, float] = {}
        self.tune(search_params, on_gpu=False)
        if self._on_gpu:
            self._index, self._resources = to_gpu(index, type(index).__name__)

    @classmethod
    def open(
        cls,
        directory: Path,
        manifest: ReferenceManifest,
        options: SearchOptions | None = None,
        *,
        expect_model_id: str | None = None,
        sha256_of: Callable[[Path], str] = sha256_of_file,
    ) -> Self:
        """Open `index.faiss` of a local directory.

        Args:
            directory: holds index.faiss; local (a release of an object store is fetched first).
            manifest: the release's.
            options: device, threads, batch.
            expect_model_id: the model that will embed the queries; None = not checked.
            sha256_of: says what a file's bytes are; one that remembers spares a second reading.

        Raises:
            ModelMismatchError: the release is of another model.
            MissingInputError: no index.faiss in the directory.
            CorruptIndexError: size, hash, rows or length differ from the manifest, or FAISS cannot read it.
        """
        options = options or SearchOptions()
        if expect_model_id is not None and expect_model_id != manifest.model_id:
            raise ModelMismatchError(
                f"reference index {manifest.version} holds vectors of {manifest.model_id}, the queries"
                f" come from {expect_model_id}; run `autotag build-index` with {expect_model_id}, or set [models] back"
            )
        path = Path(directory) / INDEX_FILE
        _check_bytes(path, manifest, sha256_of)
        index = read_index(path)
        if (index.ntotal, index.d) != (manifest.rows, manifest.dim):
            raise CorruptIndexError(
                f"{path} holds {index.ntotal} vectors of length {index.d}, its manifest says {manifest.rows}"
                f" of length {manifest.dim}; run `autotag build-index`"
            )
        return cls(index, manifest.search_params, options)

    @property
    def rows(self) -> int:
        """Vectors in the index."""
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    @property
    def lists(self) -> int:
        """Inverted lists; 0 where every code is compared."""
        import faiss

        ivf = None if self._on_gpu else faiss.try_extract_index_ivf(self._unrefined())
        return int(ivf.nlist) if ivf is not None else int(getattr(self._index, "nlist", 0))

    def tune(self, params: dict[str, float], *, on_gpu: bool | None = None) -> None:
        """Set nprobe, efSearch or k_factor for the searches that follow.

        Raises:
            SettingsError: the index has no such parameter.
        """
        set_search_params(self._index, params, on_gpu=self._on_gpu if on_gpu is None else on_gpu)
        self.search_params = {**self.search_params, **params}

    def search(self, queries: Vectors, k: int) -> SearchHits:
        """See `NeighbourSearcher.search`. Similarities are as exact as the index's codes."""
        queries = checked_queries(queries, self.dim)
        batch = self._options.query_batch
        parts = [self._search_batch(queries[low : low + batch], k) for low in range(0, len(queries), batch)]
        if not parts:
            return SearchHits(np.zeros((0, k), np.float32), np.zeros((0, k), np.int64))
        return SearchHits(
            np.concatenate([part.similarity for part in parts]), np.concatenate([part.rows for part in parts])
        )

    def _search_batch(self, queries: Vectors, k: int) -> SearchHits:
        wanted = min(k + _TIE_SLACK, self.rows)
        with threads(self._options.threads):
            similarity, rows = self._index.search(queries, wanted)
        return rank_hits(similarity, rows, k)

    def _unrefined(self) -> Any:
        import faiss

        index = self._index
        return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def _check_bytes(path: Path, manifest: ReferenceManifest, sha256_of: Callable[[Path], str]) -> None:
    if not path.is_file():
        raise MissingInputError(f"{path} is not there; run `autotag build-index`")
    released, size_bytes = manifest.files[INDEX_FILE], path.stat().st_size
    if size_bytes != released.size_bytes:
        raise CorruptIndexError(
            f"{path} has {size_bytes} bytes, {released.size_bytes} were released; run `autotag build-index`"
        )
    if sha256_of(path) != released.sha256:
        raise CorruptIndexError(
            f"{path} is not the file that was released (its SHA-256 differs); run `autotag build-index`"
        )
