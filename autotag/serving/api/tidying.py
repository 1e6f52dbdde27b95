"""The catalog of a service that writes is tidied now and then, beside the searches."""

import logging
from concurrent.futures import Future, wait

from autotag.catalog.protocol import Catalog
from autotag.serving.background_call import in_background

COMMITS_A_TIDYING = 32
"""Each commit leaves a small file of rows behind, which every search has to open."""

_log = logging.getLogger(__name__)


class Tidying:
    """Counts commits, and has the catalog tidied after some, one time at a time."""

    def __init__(self, catalog: Catalog) -> None:
        """Nothing is tidied yet."""
        self._catalog = catalog
        self._commits = 0
        self._job: Future[None] | None = None
        self._is_closed = False

    def committed(self) -> None:
        """One more commit; told by one thread."""
        self._commits += 1
        is_due = self._commits >= COMMITS_A_TIDYING and not self._is_closed
        if is_due and (self._job is None or self._job.done()):
            self._commits = 0
            self._job = in_background(self._tidy, "tidying")

    def close(self, timeout_s: float) -> None:
        """Wait for the one under way; one that takes longer costs nothing but its own work. Nothing may be committed meanwhile."""
        self._is_closed = True
        if self._job is not None:
            wait([self._job], timeout_s)

    def _tidy(self) -> None:
        try:
            self._catalog.optimise()
        except Exception:  # noqa: BLE001 - searches only get slower without, and the next commits ask again
            _log.exception("the catalog could not be tidied")
