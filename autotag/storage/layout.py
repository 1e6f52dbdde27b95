"""Every path and file name is computed here. Nothing is opened.

Roots are `UPath`: a local path or any fsspec URI (`s3://bucket/prefix`). Folders nest, and so do their results:
`results_path` keeps a folder called `segmentation` apart from the segmentation of the folder it lies in.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upath import UPath

from autotag.domain.identity import INGESTED_KEY, folder_path
from autotag.errors import UsageError

RESULT_NAMES = frozenset(
    {
        "images.parquet",
        "rejects.parquet",
        "segmentation",
        "embeddings",
        "tags.json",
        "evidence.parquet",
        "contact_sheet.html",
        ".parts",
        ".lock",
        "thumbnails",
        "label_scores.parquet",
        "medoid.json",
        "review.csv",
        ".review_exports",
        "sidecars",
        ".sidecar_runs",
        "clusters.parquet",
        "discovery.html",
        ".dismissed.json",
    }
)
"""Names directly below a folder's results. A nested folder of such a name gets `RESERVED_MARK` behind its own."""

RESERVED_MARK = "~"

_EXTENSIONS = {"JPEG": "jpg", "TIFF": "tif"}


@dataclass(frozen=True, slots=True)
class SourceTables:
    """Where one model id's source tables live."""

    root: UPath

    def images(self, shard: str) -> UPath:
        """Manifest of a shard."""
        return self.root / "images" / f"shard={shard}.parquet"

    def embeddings(self, shard: str) -> UPath:
        """Regions and vectors of a shard."""
        return self.root / "embeddings" / f"shard={shard}.parquet"

    def rejects(self, shard: str) -> UPath:
        """Images the manifest left out."""
        return self.root / "rejects" / f"shard={shard}.parquet"

    def embedding_rejects(self, shard: str) -> UPath:
        """Images of the manifest that could not be embedded."""
        return self.root / "rejects" / f"shard={shard}.embeddings.parquet"

    @property
    def attempts(self) -> UPath:
        """Journals of shards under way."""
        return self.root / "attempts"

    def attempt(self, shard: str) -> UPath:
        """Journal of one shard being embedded."""
        return self.attempts / f"shard={shard}.json"

    def image_attempt(self, shard: str) -> UPath:
        """Journal of one shard whose manifest is being made."""
        return self.attempts / f"shard={shard}.images.json"

    def lock(self, shard: str) -> UPath:
        """Held while a shard's tables are made."""
        return self.root / "locks" / f"shard={shard}.lock"


@dataclass(frozen=True, slots=True)
class FolderTables:
    """Where one target folder's results live."""

    root: UPath

    @property
    def images(self) -> UPath:
        """Manifest."""
        return self.root / "images.parquet"

    @property
    def rejects(self) -> UPath:
        """Files that look like images but are not usable."""
        return self.root / "rejects.parquet"

    @property
    def region_rejects(self) -> UPath:
        """Images that failed while their regions were cut."""
        return self.root / "segmentation" / "region_rejects.parquet"

    @property
    def embedding_rejects(self) -> UPath:
        """Images that failed while their regions were embedded."""
        return self.root / "embeddings" / "embedding_rejects.parquet"

    @property
    def crops(self) -> UPath:
        """Directory of saved crops."""
        return self.root / "segmentation" / "crops"

    @property
    def regions(self) -> UPath:
        """Boxes."""
        return self.root / "segmentation" / "regions.parquet"

    @property
    def embeddings(self) -> UPath:
        """Vectors of the regions."""
        return self.root / "embeddings" / "embeddings.parquet"

    @property
    def tags(self) -> UPath:
        """tags.json."""
        return self.root / "tags.json"

    @property
    def evidence(self) -> UPath:
        """Who voted."""
        return self.root / "evidence.parquet"

    @property
    def sheet(self) -> UPath:
        """Contact sheet as an HTML page that stands alone."""
        return self.root / "contact_sheet.html"

    @property
    def thumbnails(self) -> UPath:
        """Directory of small pictures."""
        return self.root / "thumbnails"

    @property
    def thumbnail_table(self) -> UPath:
        """Which image has which thumbnail."""
        return self.thumbnails / "thumbnails.parquet"

    @property
    def thumbnail_rejects(self) -> UPath:
        """Images that failed while their thumbnails were made."""
        return self.thumbnails / "thumbnail_rejects.parquet"

    def thumbnail(self, media_id: str, long_edge_px: int) -> UPath:
        """Small picture of an image, by its content: the same file for all its copies."""
        return self.thumbnails / thumbnail_name(media_id, long_edge_px)

    @property
    def label_scores(self) -> UPath:
        """Every image against every label."""
        return self.root / "label_scores.parquet"

    @property
    def medoid(self) -> UPath:
        """The image nearest the folder's centre."""
        return self.root / "medoid.json"

    @property
    def review_sheet(self) -> UPath:
        """CSV to look at, edit and import again."""
        return self.root / "review.csv"

    @property
    def review_exports(self) -> UPath:
        """What each sheet said when it was written, one table a run, and sheets that were edited and then overwritten."""
        return self.root / ".review_exports"

    def review_export(self, run_id: str) -> UPath:
        """What the sheet of a run said."""
        return self.review_exports / f"{run_id}.parquet"

    def edited_sheet(self, run_id: str, content: str) -> UPath:
        """A sheet that was edited in place when the sheet of this run took its place; `content` is a hash of it."""
        return self.review_exports / f"before-{run_id}-{content[:12]}.csv"

    @property
    def shadow_sidecars(self) -> UPath:
        """Sidecars of a folder that cannot be written to, each where it would lie in the folder."""
        return self.root / "sidecars"

    @property
    def sidecar_runs(self) -> UPath:
        """One directory a run that wrote sidecars: what it did, and the bytes that were there before."""
        return self.root / ".sidecar_runs"

    @property
    def lock(self) -> UPath:
        """Held while one of the folder's results is made."""
        return self.root / ".lock"

    def parts(self, step: str) -> UPath:
        """Directory of a step's finished chunks and journals; removed when the step commits."""
        return self.root / ".parts" / step


@dataclass(frozen=True, slots=True)
class Layout:
    """All roots. `crop_name` and the tables above are the only places where file names are made."""

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


def results_path(path: str) -> str:
    """Where below `target_processed` the results of a folder go: its own path, one to one.

    Below the first part, a part that is one of `RESULT_NAMES`, in any case and with any number of
    `RESERVED_MARK` behind it, gets one more mark; so no folder's results lie inside another's.
    """
    first, *rest = path.split("/")
    return "/".join([first, *(part + RESERVED_MARK if _is_reserved(part) else part for part in rest)])


def _is_reserved(part: str) -> bool:
    return part.rstrip(RESERVED_MARK).casefold() in RESULT_NAMES


def _inside(key: str) -> str:
    path = PurePosixPath(folder_path(key))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UsageError(f"{key!r} is no folder below the target root; give its path below that root")
    return str(path)


def crop_name(file: str, region_index: int, box_xyxy_px: tuple[int, int, int, int]) -> str:
    """Name of a saved crop, relative to the crops directory: `a.jpg/001_10-20-110-220.jpg`.

    The image's whole name, extension included, is a directory, so `a.jpg` and `a.png` never meet. The box is
    in the name so that a run with other rules never overwrites what the table of the run before refers to.
    """
    return f"{file}/{region_index:03d}_{'-'.join(map(str, box_xyxy_px))}.jpg"


def ingested_name(media_id: str, image_format: str) -> str:
    """Name of an ingested image's file: its content's hash, and an extension for its format, one of `storage.images.FORMATS`."""
    return f"{media_id}.{_EXTENSIONS.get(image_format, image_format.lower())}"


def ingested_tags_name(media_id: str) -> str:
    """Name of the file with the tags that came with an ingested image."""
    return f"{media_id}.json"


def thumbnail_name(media_id: str, long_edge_px: int) -> str:
    """Name of a thumbnail: 128 bits of the content's hash, and the size."""
    return f"{media_id[:32]}_{long_edge_px}.jpg"
