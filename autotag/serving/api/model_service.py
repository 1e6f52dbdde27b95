"""What the API asks of models: one protocol, answered in this process or by replicas elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from autotag.errors import RejectedImageError
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_one import EmbeddedUpload
from autotag.pipeline.embed_pictures import Picture


class ModelService(Protocol):
    """Models that many threads share; their requests share calls of a model.

    All methods raise `OverloadedError` where too many requests wait already, or it is being closed.
    """

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        ...

    @property
    def dim(self) -> int:
        """Their length."""
        ...

    @property
    def waiting(self) -> Mapping[str, int]:
        """Requests that wait, by the name of the queue: "texts", "pictures", "uploads"."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dim), unit L2 norm; row i belongs to texts[i]. Never waits behind uploads.

        Raises:
            UsageError: a model without a text side.
        """
        ...

    def embed_pictures(self, pictures: Sequence[Picture]) -> list[Vectors | RejectedImageError]:
        """float32 (dim,), unit L2 norm, of each picture or box in it, in order; one that cannot be used as its error."""
        ...

    def embed_uploads(
        self, files: Sequence[bytes], *, vote: bool
    ) -> list[EmbeddedUpload | RejectedImageError]:
        """Regions, vectors and, with `vote`, tags of each file, in order; one that cannot be used as its error."""
        ...

    def warm_up(self) -> None:
        """Load what the first request would wait for."""
        ...

    def close(self, timeout_s: float) -> None:
        """Answer what was accepted, refuse what comes; give up after `timeout_s`."""
        ...
