"""The catalog of a service that writes is tidied now and then, beside the searches."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor

from autotag.catalog.protocol import Catalog

COMMITS_A_TIDYING = 32
"""Each commit leaves a small file of rows behind, which every search has to open."""

_log = logging.getLogger(__name__)


class Tidying:
    """Counts commits, and has the catalog tidied after some, one time at a time."""

    def __init__(self, catalog: Catalog) -> None:
        """Nothing is tidied yet."""
        self._catalog = catalog
        self._commits = 0
        self._thread = ThreadPoolExecutor(1, "tidying")
        self._job: Future[None] | None = None
        self._is_closed = False

    def committed(self) -> None:
        """One more commit; told by one thread."""
        self._commits += 1
        is_due = self._commits >= COMMITS_A_TIDYING and not self._is_closed
        if is_due and (self._job is None or self._job.done()):
            self._commits = 0
            self._job = self._thread.submit(self._tidy)

    def close(self) -> None:
        """Wait for the one under way. Nothing may be committed meanwhile."""
        self._is_closed = True
        self._thread.shutdown(wait=True)

    def _tidy(self) -> None:
        try:
            self._catalog.optimise()
        except Exception:  # noqa: BLE001 - searches only get slower without, and the next commits ask again
            _log.exception("the catalog could not be tidied")
