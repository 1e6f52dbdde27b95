"""Where the results of a target folder lie.

Folders nest, and so do their results: `results_path` keeps a folder called `segmentation` apart from the segmentation of the folder it lies in.
"""

from dataclasses import dataclass

from upath import UPath

from autotag.storage.file_names import thumbnail_name

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


def results_path(path: str) -> str:
    """Where below `target_processed` the results of a folder go: its own path, one to one.

    Below the first part, a part that is one of `RESULT_NAMES`, in any case and with any number of
    `RESERVED_MARK` behind it, gets one more mark; so no folder's results lie inside another's.
    """
    first, *rest = path.split("/")
    return "/".join([first, *(part + RESERVED_MARK if _is_reserved(part) else part for part in rest)])


def _is_reserved(part: str) -> bool:
    return part.rstrip(RESERVED_MARK).casefold() in RESULT_NAMES
