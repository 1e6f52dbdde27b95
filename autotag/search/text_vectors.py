"""Vectors of queries in words, the last ones remembered: embedding the words is the slow part of a search."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from autotag.errors import UsageError
from autotag.models.protocols import Vectors

EmbedTexts = Callable[[Sequence[str]], Vectors]
"""`Embedder.embed_texts`, or what shares its calls between requests: texts in, float32 (n, dim) out."""


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """How often a query was known, how often it was not, and how many are remembered."""

    hits: int
    misses: int
    remembered: int


class TextVectors:
    """A query's vector, from memory where it is there. Threads may share it; none waits while another embeds.

    Attributes:
        embed: texts in, vectors out; nothing is remembered of what it is asked directly.
    """

    def __init__(self, embed: EmbedTexts, model_id: str, remembered: int = 1000) -> None:
        """`model_id` is of the vectors; `remembered` queries are kept, 0 for none."""
        self.embed = embed
        self._model_id = model_id
        self._room = remembered
        self._vectors: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self._lock = Lock()
        self._hits = 0
        self._misses = 0

    @property
    def counts(self) -> CacheCounts:
        """Since it was made."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, len(self._vectors))

    def of(self, query: str) -> Vectors:
        """float32 (dim,), unit L2 norm, read only.

        Raises:
            UsageError: an empty query, or a model without a text side.
        """
        key = (self._model_id, clean_query(query))
        known = self._known(key)
        if known is not None:
            return known
        vector = self.embed([key[1]])[0].copy()
        vector.setflags(write=False)
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > self._room:
                self._vectors.popitem(last=False)
        return vector

    def _known(self, key: tuple[str, str]) -> Vectors | None:
        """The remembered vector, or None; either is counted."""
        with self._lock:
            vector = self._vectors.get(key)
            if vector is None:
                self._misses += 1
                return None
            self._hits += 1
            self._vectors.move_to_end(key)
            return vector


def clean_query(query: str) -> str:
    """The words without spaces around them or runs of spaces between them.

    Raises:
        UsageError: there are none.
    """
    words = " ".join(query.split())
    if not words:
        raise UsageError("the query is empty; say what to look for")
    return words
