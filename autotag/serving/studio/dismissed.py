"""Clusters that a person does not want to see again. No decision on any image, so not for the ledger.

A cluster's name changes with any of its members: what comes back changed was not dismissed.
"""

import json
import threading

from autotag.storage.layout import Layout
from autotag.storage.tables import write_text

_LOCK = threading.Lock()
"""Between the tabs of this server."""


def dismissed(layout: Layout, key: str | None) -> frozenset[str]:
    """Names of the clusters; none where nothing was dismissed."""
    try:
        return frozenset(json.loads(layout.dismissed_clusters(key).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return frozenset()


def dismiss(layout: Layout, key: str | None, cluster: str) -> None:
    """Remember a cluster as dismissed.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    with _LOCK:
        _write(layout, key, dismissed(layout, key) | {cluster})


def show_again(layout: Layout, key: str | None, cluster: str) -> None:
    """Forget that a cluster was dismissed.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    with _LOCK:
        _write(layout, key, dismissed(layout, key) - {cluster})


def _write(layout: Layout, key: str | None, names: frozenset[str]) -> None:
    write_text(layout.dismissed_clusters(key), json.dumps(sorted(names)))
