"""Opens the index of a retrieval store: a flat FAISS index, and the table that says which image each vector is of."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.domain.store_schemas import STORE_MAPPING
from autotag.errors import CorruptIndexError, MissingInputError
from autotag.reference.faiss_runtime import read_index
from autotag.reference.manifest import INDEX_FILE
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag.storage.released_files import RECEIPTS, FileHashes, fetch
from autotag.storage.releases import CURRENT, MARKER, current, current_version
from autotag.storage.store_layout import StoreLayout

MAPPING_FILE = "mapping.parquet"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoreRelease:
    """What a release of a store's index says of itself.

    Attributes:
        format: how its files are laid out.
        model_id: of every vector in it.
        version: its name.
        rows: vectors, and rows of mapping.parquet.
        dim: length of a vector.
        without_vector: images of the manifest that had none.
        made_from: fingerprint of manifest and vectors: equal means the same index.
        sha256: of each file, hexadecimal, by name.
        faiss_version: that wrote the index.
        created_at: UTC, ISO 8601.
    """

    format: int
    model_id: str
    version: str
    rows: int
    dim: int
    without_vector: int
    made_from: str
    sha256: dict[str, str]
    faiss_version: str
    created_at: str

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, directory: UPath) -> Self:
        """Read a release's manifest.

        Raises:
            CorruptIndexError: it is no such manifest.
        """
        marker = directory / MARKER
        try:
            record: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8", errors="replace"))
            wanted = {item.name: item.type for item in fields(cls)}
            if record["format"] != FORMAT or record.keys() != wanted.keys():
                raise ValueError("of another format")
            if any(
                isinstance(kind, type) and type(record[name]) is not kind for name, kind in wanted.items()
            ):
                raise ValueError("a value of the wrong type")
            if {INDEX_FILE, MAPPING_FILE} != record["sha256"].keys():
                raise ValueError("other files")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptIndexError(
                f"{marker} is no manifest of a store's index ({error}); delete {directory.parent / CURRENT} and run"
                " `autotag build-index --store` again"
            ) from error
        return cls(**record)


@dataclass(frozen=True, slots=True)
class StoreIndex:
    """One release, opened."""

    release: StoreRelease
    searcher: ReferenceSearcher
    mapping: Path

    def described(self, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
        """Rows of `STORE_MAPPING`, one for each of `rows`, in their order; only their row groups are read."""
        with pq.ParquetFile(self.mapping) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            ends = np.cumsum(sizes)
            groups = np.searchsorted(ends, rows, side="right")
            found: dict[int, dict[str, Any]] = {}
            for group in np.unique(groups).tolist():
                inside = rows[groups == group]
                table = file.read_row_group(group).take(pa.array(inside - (ends[group] - sizes[group])))
                found |= dict(zip(inside.tolist(), table.to_pylist(), strict=True))
        return [found[row] for row in rows.tolist()]


def open_store_index(store: StoreLayout, model_id: str, cache: Path) -> StoreIndex:
    """Open the index in use of a model. No file is opened before its bytes are known to be those released.

    Args:
        store: whose index.
        model_id: of the vectors.
        cache: local directory for receipts of hashes, and for copies of a release that lies elsewhere.

    Raises:
        MissingInputError: the store has no index of this model, or a file of it is gone.
        CorruptIndexError: a file is not the one that was released.
    """
    if current_version(store.index, model_id) is None:
        raise MissingInputError(_no_index(store, model_id))
    directory = current(store.index, model_id)
    release = StoreRelease.read(directory)
    hashes = FileHashes(cache / RECEIPTS)
    local = fetch(directory, cache, release.sha256, hashes)
    index = read_index(local / INDEX_FILE)
    mapping = local / MAPPING_FILE
    shape = (pq.read_metadata(mapping).num_rows, pq.read_schema(mapping).names)
    if (index.ntotal, index.d) != (release.rows, release.dim) or shape != (release.rows, STORE_MAPPING.names):
        raise CorruptIndexError(
            f"{directory}: index, mapping and manifest do not fit together; delete {directory.parent / CURRENT} and run"
            " `autotag build-index --store` again"
        )
    return StoreIndex(release, ReferenceSearcher(index, {}, SearchOptions()), mapping)


def _no_index(store: StoreLayout, model_id: str) -> str:
    others = []
    if store.index.is_dir():
        others = sorted(path.name for path in store.index.iterdir() if (path / CURRENT).is_file())
    told = f"; it has one of {', '.join(others)}: set [models] back to search that" if others else ""
    return (
        f"{store.root} has no index of {model_id}{told}; or run, in this order:\n"
        f"  autotag embed --store {store.root}\n  autotag build-index --store {store.root}"
    )
