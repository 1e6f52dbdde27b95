"""Every path is computed here, in `source_tables`, `folder_tables` and `file_names`, and nowhere else. Nothing is opened.

Roots are `UPath`: a local path or any fsspec URI (`s3://bucket/prefix`).
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upath import UPath

from autotag.domain.identity import INGESTED_KEY, folder_path
from autotag.errors import UsageError
from autotag.storage.file_names import thumbnail_name
from autotag.storage.folder_tables import FolderTables, results_path
from autotag.storage.source_tables import SourceTables


@dataclass(frozen=True, slots=True)
class Layout:
    """All roots, and what lies directly below them."""

    data: UPath
    source_shards: UPath
    source_tags: UPath
    source_processed: UPath
    reference: UPath
    target: UPath
    target_processed: UPath
    catalog: UPath
    runs: UPath
    ingested: UPath
    model_cache: Path
    weights: Path
    target_only: str = ""
    """The only folder below the target root that is used, with those below it; empty for all."""

    def shard(self, shard: str) -> UPath:
        """The tar of a shard."""
        return self.source_shards / f"{shard}.tar"

    def tags(self, shard: str) -> UPath:
        """The tags table of a shard."""
        return self.source_tags / f"{shard}.parquet"

    def source(self, model: str) -> SourceTables:
        """Source tables of a model id."""
        return SourceTables(self.source_processed / model)

    def folder(self, key: str) -> UPath:
        """The user's folder a partition key stands for. Only read, but for the sidecars that `xmp_sidecars` writes there.

        Raises:
            UsageError: the key leads out of the target root.
        """
        return self.target / _inside(key)

    def pictures(self, key: str) -> UPath:
        """Where the images of a key of the catalog lie: a folder of the user, or what came in through the API.

        Raises:
            UsageError: the key leads out of the target root.
        """
        return self.ingested if key == INGESTED_KEY else self.folder(key)

    def folder_tables(self, key: str) -> FolderTables:
        """Results of a target folder, under its path below the target root; see `results_path`.

        Raises:
            UsageError: the key leads out of the target root.
        """
        return FolderTables(self.target_processed / results_path(_inside(key)))

    def index_lock(self, model: str) -> UPath:
        """Held while a reference index of a model id is built."""
        return self.reference / model / ".lock"

    def approved_voters(self, model: str) -> UPath:
        """Regions of target images with approved tags, which vote beside the released index."""
        return self.reference / model / "approved_voters.parquet"

    def voter_folders(self, model: str) -> UPath:
        """What is known of the folders that approved voters come from; made again where it is not there."""
        return self.reference / model / ".voter_folders.json"

    @property
    def ingested_lock(self) -> UPath:
        """Held while ingested images are put in place or taken away."""
        return self.ingested / ".changing" / "lock"

    @property
    def ingested_thumbnails(self) -> UPath:
        """Directory of small pictures of ingested images, made when they are first asked for; one directory a size in it."""
        return self.ingested / "thumbnails"

    def ingested_thumbnail(self, media_id: str, long_edge_px: int) -> UPath:
        """Small picture of an ingested image."""
        return self.ingested_thumbnails / str(long_edge_px) / thumbnail_name(media_id, long_edge_px)

    @property
    def ledger(self) -> UPath:
        """Database of tags and decisions, where the settings name no other."""
        return self.data / "ledger.sqlite"

    def label_vectors(self, name: str) -> UPath:
        """Vectors of a label list; `name` is a fingerprint of labels, templates and embedder."""
        return self.data / "labels" / f"{name}.parquet"

    def thresholds(self, model: str, target_precision: float) -> UPath:
        """Thresholds of a model id, fitted to this precision."""
        return self.data / "thresholds" / model / f"precision={float(target_precision)!r}.parquet"

    def thresholds_lock(self, model: str) -> UPath:
        """Held while thresholds of a model id are fitted."""
        return self.data / "thresholds" / model / ".lock"

    @property
    def medoids(self) -> UPath:
        """CSV of all folders' medoids."""
        return self.data / "folder_medoids.csv"

    @property
    def medoids_state(self) -> UPath:
        """Which model the CSV of all folders' medoids is of, and its hash: whether a row can be put in its place."""
        return self.data / ".folder_medoids.state"

    @property
    def medoids_lock(self) -> UPath:
        """Held while the CSV of all folders' medoids is written."""
        return self.data / ".folder_medoids.lock"

    def discovery(self, key: str) -> UPath:
        """Directory of what was found in a folder that no tag explains."""
        return self.data / "discovery" / results_path(_inside(key))

    @property
    def discovery_of_all(self) -> UPath:
        """Directory of what was found in all folders together."""
        return self.data / "discovery_of_all"

    def dismissed_clusters(self, key: str | None) -> UPath:
        """Names of the clusters of a folder, or without a key of all folders together, that people put aside."""
        return (self.discovery_of_all if key is None else self.discovery(key)) / ".dismissed.json"

    @property
    def keys(self) -> UPath:
        """Hashed access keys of the API, where the settings name no other file."""
        return self.data / "keys.json"

    def run_log(self, run: str) -> UPath:
        """What a command did, a line a step."""
        return self.runs / run / "log.txt"

    def run_config(self, run: str) -> UPath:
        """Settings of a run, frozen."""
        return self.runs / run / "config.json"


def _inside(key: str) -> str:
    path = PurePosixPath(folder_path(key))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UsageError(f"{key!r} is no folder below the target root; give its path below that root")
    return str(path)
