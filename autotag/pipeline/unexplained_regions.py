"""Gathers the regions of folders that no voter, no tag and no label explains; holds as many as are clustered, not more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.identity import region_id
from autotag.domain.schemas import TARGET_REGIONS
from autotag.domain.unexplained import DiscoveryCounts, draw_of, smallest
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError
from autotag.models.protocols import Vectors
from autotag.pipeline.explained_regions import Explainers, unexplained_rows
from autotag.pipeline.folder_embeddings import refuse_stale_embeddings
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.storage.tables import read_table

COLUMNS = ["file", "media_id", "region_index", "box_xyxy_px", "embedding"]
PLACES = ["folder", "file", "media_id", "region_index", "box_xyxy_px"]


def _no_places() -> pa.Table:
    return pa.schema(
        [("folder", pa.string()), *(TARGET_REGIONS.field(name) for name in PLACES[1:])]
    ).empty_table()


@dataclass(slots=True)
class RegionPool:
    """Regions that nothing explains: at most `limit`, those with the smallest draws.

    Attributes:
        limit: most regions kept.
        counts: of all regions that were offered, but for the clusters.
        images: files that were looked at.
        places: columns `PLACES`, one row a region.
        vectors: float32 (n, dim), likewise; None before any were offered.
        stale: folders that were left out because they are of an earlier state, and what each lacks.
    """

    limit: int
    counts: DiscoveryCounts = field(default_factory=DiscoveryCounts)
    images: int = 0
    places: pa.Table = field(default_factory=_no_places)
    vectors: Vectors | None = None
    stale: dict[str, MissingInputError] = field(default_factory=dict)
    _draws: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    _seen: set[int] = field(default_factory=set)

    def offer(self, places: pa.Table, vectors: Vectors) -> None:
        """Take in more; a region that was offered before, in whatever folder, is a duplicate."""
        draws = draw_of(region_names(places))
        is_new = np.array([self._is_new(draw) for draw in draws.tolist()], np.bool_)
        self.counts.duplicates += int((~is_new).sum())
        places, vectors, draws = places.filter(pa.array(is_new)), vectors[is_new], draws[is_new]
        places = pa.concat_tables([self.places, places.cast(self.places.schema)])
        vectors = vectors if self.vectors is None else np.concatenate([self.vectors, vectors])
        draws = np.concatenate([self._draws, draws])
        kept = smallest(draws, self.limit)
        self.counts.left_out += len(draws) - len(kept)
        self.places, self.vectors, self._draws = places.take(pa.array(kept)), vectors[kept], draws[kept]

    def _is_new(self, draw: int) -> bool:
        if draw in self._seen:
            return False
        self._seen.add(draw)
        return True


def region_names(places: pa.Table) -> list[str]:
    """Region ids."""
    index = places["region_index"].to_pylist()
    return [region_id(*each) for each in zip(places["media_id"].to_pylist(), index, strict=True)]


def gather(
    plan: PipelinePlan,
    keys: Sequence[str],
    explainers: Explainers,
    limit: int,
    *,
    leave_stale: bool = False,
    reached: Reached = nobody,
) -> RegionPool:
    """Regions of some folders that nothing explains.

    Args:
        plan: where things are, and which model.
        keys: of the folders.
        explainers: what explains a region.
        limit: most regions kept.
        leave_stale: leave out folders that would be a `MissingInputError`; the pool tells them.
        reached: told after each folder; how many images there are in all, nobody knows.

    Raises:
        MissingInputError: a folder is not embedded, or its vectors or tags are of an earlier state of it.
        ModelMismatchError: a folder was embedded with another model.
    """
    pool = RegionPool(limit)
    for key in keys:
        try:
            _take(pool, plan, key, explainers)
        except MissingInputError as error:
            if not leave_stale:
                raise
            pool.stale[key] = error
        reached(pool.images, 0)
    return pool


def _take(pool: RegionPool, plan: PipelinePlan, key: str, explainers: Explainers) -> None:
    """Offer what nothing explains in a folder; the pool stays as it is where the folder is refused."""
    path = plan.layout.folder_tables(key).embeddings
    check = refuse_stale_embeddings(plan, key)
    rows = read_table(path, COLUMNS, made_by=f"target_embeddings of {key}", check=check)
    vectors = vectors_from_arrow(rows["embedding"])
    rows = rows.drop_columns(["embedding"])
    rows = rows.append_column("folder", pa.array([key] * rows.num_rows, pa.string())).select(PLACES)
    chosen = unexplained_rows(plan, key, rows, vectors, explainers)
    pool.images += len(rows["file"].unique())
    pool.counts.taken += rows.num_rows
    pool.counts.explained += int((~chosen).sum())
    pool.offer(rows.filter(pa.array(chosen)), vectors[chosen])
