"""The table as a store that is followed from memory: states, and the images that a state has more than another."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
from upath import UPath

from autotag.catalog.lance.columns import EDITION, IMAGE_KIND, WHOLE, stamp_of
from autotag.catalog.lance.reading import read
from autotag.catalog.lance.regions_table import RegionsTable
from autotag.catalog.lance.rows import to_editions
from autotag.catalog.resident.followed_store import Change, Editions
from autotag.domain.catalog_entries import CatalogImage

IMAGES_A_READ = 1000


class FollowedRegions:
    """See `FollowedStore`. It has a handle of its own, which moves on only when it is told to."""

    def __init__(self, root: UPath, model_id: str, dim: int, cache_mb: int) -> None:
        """The arguments are those of `RegionsTable`."""
        never: timedelta | None = None
        self._given = (root, model_id, dim, cache_mb)
        self._regions = RegionsTable(root, model_id, dim, never, cache_mb)
        self._state = ("", 0)

    def apart(self) -> "FollowedRegions":
        """See `FollowedStore.apart`."""
        return FollowedRegions(*self._given)

    def changed(self) -> bool:
        """See `FollowedStore.changed`."""
        with self._regions.answering() as table:
            table.checkout_latest()
            before, self._state = self._state, (stamp_of(table.schema), table.version)
        return self._state != before

    def moved_by(self, change: Change) -> bool:
        """See `FollowedStore.moved_by`."""
        stamp, version = self._state
        if (change.stamp, change.version) != (stamp, version + 1):
            return False
        self._state = (stamp, change.version)
        return True

    def regions(self) -> int:
        """See `FollowedStore.regions`."""
        with self._regions.answering() as table:
            return table.count_rows()

    def editions(self) -> Editions:
        """See `FollowedStore.editions`."""
        with self._regions.answering() as table:
            return read(table, f"kind = '{IMAGE_KIND}'", [EDITION]).column(EDITION).to_numpy()

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        """See `FollowedStore.images`."""
        for start in range(0, len(editions), IMAGES_A_READ):
            listed = ", ".join(map(str, np.asarray(editions[start : start + IMAGES_A_READ]).tolist()))
            with self._regions.answering() as table:
                found = to_editions(read(table, f"{EDITION} IN ({listed})", WHOLE))
            yield [edition for edition, _ in found], [image for _, image in found]
