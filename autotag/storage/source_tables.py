"""Where the tables of the archive's shards lie, one set a model id."""

from dataclasses import dataclass

from upath import UPath


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
