"""Caches that all handles of a process share.

Each commit leaves about 0.5 MB of what was cached of the state before it; by itself LanceDB lets that grow to 6 GiB.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lancedb import Session

METADATA_MB = 64
LEAST_INDEX_MB = 64

_SHARE = 8


def index_cache_mb(memory_mb: float) -> int:
    """What the index cache of a catalog may take that may take `memory_mb`: an eighth."""
    return max(LEAST_INDEX_MB, int(memory_mb) // _SHARE)


@lru_cache(maxsize=4)
def shared_session(index_mb: int) -> "Session":
    """The caches of this process; the same for the same size."""
    import lancedb

    return lancedb.Session(index_cache_size_bytes=index_mb << 20, metadata_cache_size_bytes=METADATA_MB << 20)
