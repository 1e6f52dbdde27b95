"""A model that all visits of the page ask, whatever they search."""

from collections.abc import Sequence
from functools import cache
from threading import Lock

from autotag.domain.regions import RgbImage
from autotag.models.protocols import Embedder, Vectors
from autotag.models.specs import ModelSpec

_loading = Lock()


class SharedEmbedder:
    """An embedder that threads may share: one at a time embeds texts, and one images."""

    def __init__(self, embedder: Embedder) -> None:
        """`embedder` is asked by nobody else."""
        self._embedder = embedder
        self._texts = Lock()
        self._images = Lock()

    @property
    def fingerprint(self) -> str:
        """Of the model."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._embedder.dim

    @property
    def embeds_text(self) -> bool:
        """Whether `embed_texts` works."""
        return self._embedder.embeds_text

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, dim), as of the embedder; waits for whoever embeds images."""
        with self._images:
            return self._embedder.embed_images(crops)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dim), as of the embedder; waits for whoever embeds texts."""
        with self._texts:
            return self._embedder.embed_texts(texts)


def shared_embedder(spec: ModelSpec) -> SharedEmbedder:
    """The one of this process; loaded the first time, which others who ask meanwhile wait for.

    Raises:
        AutotagError: its weights are missing, or are none.
    """
    with _loading:
        return _shared(spec)


@cache
def _shared(spec: ModelSpec) -> SharedEmbedder:
    from autotag.pipeline.plan import loaded_embedder

    return SharedEmbedder(loaded_embedder(spec))
