"""Opens the current release of the reference index: the searcher, and the mapping from its rows to tags."""

from dataclasses import dataclass

from upath import UPath

from autotag.reference.manifest import ReferenceManifest
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag.search.reference_mapping import ReferenceMapping
from autotag.storage.layout import Layout
from autotag.storage.released_files import RECEIPTS, FileHashes, fetch
from autotag.storage.releases import MARKER, current


@dataclass(frozen=True, slots=True)
class Reference:
    """One release, opened.

    Attributes:
        manifest: what it says of itself.
        searcher: nearest rows of a vector.
        mapping: what the rows are.
        directory: where the release lies.
    """

    manifest: ReferenceManifest
    searcher: ReferenceSearcher
    mapping: ReferenceMapping
    directory: UPath


def read_manifest(directory: UPath) -> ReferenceManifest:
    """The manifest of a release.

    Raises:
        CorruptIndexError: it cannot be read, or is of another format.
    """
    marker = directory / MARKER
    # Bytes that are no text make it no JSON, or other hashes: a corrupt index either way.
    return ReferenceManifest.from_json(marker.read_text(encoding="utf-8", errors="replace"), str(marker))


def open_reference(
    layout: Layout, model_id: str, options: SearchOptions | None = None, *, hash_anew: bool = False
) -> Reference:
    """Open what `CURRENT` names for a model id. No file is opened before its bytes are known to be those released.

    Args:
        layout: where releases and the cache lie.
        model_id: of the vectors.
        options: of the search.
        hash_anew: read all files through; by default one that has not changed since it was last hashed is believed.

    Raises:
        MissingInputError: no release for this model id, or a file of it is not there.
        CorruptIndexError: a file is not the one that was released, or the release is of another format.
        ModelMismatchError: the release is of another model.
    """
    directory = current(layout.reference, model_id)
    manifest = read_manifest(directory)
    cache = layout.model_cache / "reference"
    hashes = FileHashes(None if hash_anew else cache / RECEIPTS)
    sha256_of = {name: file.sha256 for name, file in manifest.files.items()}
    local = fetch(directory, cache, sha256_of, hashes)
    searcher = ReferenceSearcher.open(
        local, manifest, options, expect_model_id=model_id, sha256_of=hashes.sha256
    )
    return Reference(manifest, searcher, ReferenceMapping.open(local, manifest.rows), directory)
