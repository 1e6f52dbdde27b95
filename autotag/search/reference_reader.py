"""Opens the current release of the reference index: the searcher, and the mapping from its rows to tags."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.errors import CorruptIndexError
from autotag.reference.manifest import INDEX_FILE, MAPPING_FILE, ReferenceManifest, sha256_of_file
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag.storage.layout import Layout
from autotag.storage.releases import MARKER, current, fetch


@dataclass(frozen=True, slots=True)
class Reference:
    """One release, opened.

    Attributes:
        manifest: what it says of itself.
        searcher: nearest rows of a vector.
        mapping: row i describes vector i; columns of `REFERENCE_MAPPING`.
        directory: where the release lies.
    """

    manifest: ReferenceManifest
    searcher: ReferenceSearcher
    mapping: pa.Table
    directory: UPath


def open_reference(layout: Layout, model_id: str, options: SearchOptions | None = None) -> Reference:
    """Open what `CURRENT` names for a model id.

    Raises:
        MissingInputError: no release for this model id.
        CorruptIndexError: index or mapping are not the ones that were released.
        ModelMismatchError: the release is of another model.
    """
    directory = current(layout.reference, model_id)
    marker = directory / MARKER
    # Bytes that are no text make it no JSON, or other hashes: a corrupt index either way.
    manifest = ReferenceManifest.from_json(marker.read_text(encoding="utf-8", errors="replace"), str(marker))
    hashes = {INDEX_FILE: manifest.index_sha256, MAPPING_FILE: manifest.mapping_sha256}
    local = fetch(directory, layout.model_cache / "reference", hashes)
    searcher = ReferenceSearcher.open(local, manifest, options, expect_model_id=model_id)
    return Reference(manifest, searcher, _mapping(local / MAPPING_FILE, manifest), directory)


def _mapping(path: Path, manifest: ReferenceManifest) -> pa.Table:
    if not path.is_file() or sha256_of_file(path) != manifest.mapping_sha256:
        raise CorruptIndexError(f"{path} is not the mapping that was released; run autotag build-index")
    table = pq.read_table(path)
    if table.num_rows != manifest.rows:
        raise CorruptIndexError(
            f"{path} has {table.num_rows} rows, the index {manifest.rows}; run autotag build-index"
        )
    return table
