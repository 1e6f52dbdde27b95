"""Where everything of a retrieval store lies: any images, their vectors, and an index to find them by words.

A store is a directory of its own, apart from archive and target folders; its files are told in `docs/retrieval.md`.
"""

from dataclasses import dataclass

from upath import UPath


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """Paths of one store. Nothing is opened."""

    root: UPath

    @property
    def files(self) -> UPath:
        """Every readable image file."""
        return self.root / "files.parquet"

    @property
    def rejects(self) -> UPath:
        """Files that look like images but are not usable, and copies."""
        return self.root / "rejects.parquet"

    @property
    def manifest(self) -> UPath:
        """One row an image, however many files have its bytes."""
        return self.root / "manifest.parquet"

    def embeddings(self, model: str) -> UPath:
        """Directory of a model's vectors, a folder a day."""
        return self.root / "embeddings" / f"model_version={model}"

    def embedding_part(self, model: str, day: str, unit: str) -> UPath:
        """Vectors of one unit; `day` like 2026-01-31, in UTC."""
        return self.embeddings(model) / f"dt={day}" / f"part-{unit}.parquet"

    def embedding_rejects(self, model: str) -> UPath:
        """Images of the manifest that the model's last run could not embed, a table a unit."""
        return self.root / "embedding_rejects" / f"model_version={model}"

    @property
    def index(self) -> UPath:
        """Releases of the index, a directory a model."""
        return self.root / "index"

    @property
    def lock(self) -> UPath:
        """Held while anything of the store is made."""
        return self.root / ".lock"

    @property
    def log(self) -> UPath:
        """What libraries say while a command works on the store."""
        return self.root / ".log"

    def parts(self, step: str) -> UPath:
        """Directory of a step's units and journals; removed when the step commits."""
        return self.root / ".parts" / step
