"""How much of the truth an index finds: recall against exact search over the same stream, in one pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotag.errors import MissingInputError
from autotag.reference.exact import blocks, empty_hits, merge_block
from autotag.reference.hits import NO_ROW
from autotag.reference.protocols import NeighbourSearcher, VectorBatches, Vectors, checked_queries
from autotag.reference.searcher import ReferenceSearcher

_TIE_MARGIN = 1e-5
"""A neighbour this close below the true k-th one is as good: equal vectors must not count as misses."""

_WORTH_MORE_LISTS = 0.005
"""Recall that is worth a search several times as long, where the target is out of reach."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured.

    Attributes:
        search_params: the parameters the searcher now has.
        recall: with them, in [0, 1].
        tried: recall of every nprobe tried, in rising order.
    """

    search_params: dict[str, float]
    recall: float
    tried: dict[float, float]


def recall_at_k(
    searcher: NeighbourSearcher,
    probes: Vectors,
    batches: VectorBatches,
    k: int = 10,
    own_rows: Rows | None = None,
) -> float:
    """Share of the true k nearest neighbours that the searcher returns, averaged over the probes.

    A returned row counts when its exact similarity is no worse than the true k-th one (less 1e-5).

    Args:
        searcher: the index under test.
        probes: float32 (n, dim), n > 0.
        batches: the vectors the index was built from.
        k: neighbours a probe; fewer where the index has fewer rows, and 1.0 is the recall where it has none.
        own_rows: int64 (n,), the row of the index that each probe is; it is no neighbour of itself, so k others are
            looked for. None: a probe that is in the index finds itself, which counts.

    Raises:
        MissingInputError: no probes, or no vectors.
        ModelMismatchError: probes or vectors of another length.
    """
    return _recalls([_neighbours(searcher, probes, k, own_rows)], probes, batches, k, own_rows)[0]


def calibrate(
    searcher: ReferenceSearcher,
    probes: Vectors,
    batches: VectorBatches,
    target_recall: float,
    k: int = 10,
    own_rows: Rows | None = None,
) -> Calibration:
    """Raise nprobe by doubling until recall@k reaches the target, and leave the searcher so.

    Where no step up to half of the lists reaches it, the first within 0.005 of the best is kept, as it is then the
    codes that lose; the caller judges it. An index without inverted lists is measured as it is. The stream is read
    once whatever the steps. Arguments and errors are those of `recall_at_k`.
    """
    steps = _nprobe_steps(searcher)
    found: list[Rows] = []
    for nprobe in steps:
        searcher.tune({"nprobe": nprobe})
        found.append(_neighbours(searcher, probes, k, own_rows))
    if not steps:
        recall = recall_at_k(searcher, probes, batches, k, own_rows)
        return Calibration(searcher.search_params, recall, {})
    recalls = _recalls(found, probes, batches, k, own_rows)
    best = max(recalls)
    enough = target_recall if best >= target_recall else best - _WORTH_MORE_LISTS
    chosen = next(step for step, recall in enumerate(recalls) if recall >= enough)
    searcher.tune({"nprobe": steps[chosen]})
    return Calibration(searcher.search_params, recalls[chosen], dict(zip(steps, recalls, strict=True)))


def _nprobe_steps(searcher: ReferenceSearcher) -> list[float]:
    if not searcher.lists:
        return []
    steps = [searcher.search_params.get("nprobe", 1.0)]
    while steps[-1] * 2 <= searcher.lists // 2:
        steps.append(steps[-1] * 2)
    return steps


def _neighbours(searcher: NeighbourSearcher, probes: Vectors, k: int, own_rows: Rows | None) -> Rows:
    """The k rows found for each probe, its own left out: one more is asked for, and the own, or the last, is dropped."""
    if own_rows is None:
        return searcher.search(probes, k).rows
    rows = searcher.search(probes, k + 1).rows
    own_last = np.argsort(rows == own_rows[:, None], axis=1, kind="stable")
    return np.take_along_axis(rows, own_last, axis=1)[:, :k]


def _recalls(
    found: list[Rows], probes: Vectors, batches: VectorBatches, k: int, own_rows: Rows | None
) -> list[float]:
    if not len(probes):
        raise MissingInputError("recall cannot be measured without probes; set index.probes above 0")
    stacked = np.concatenate(found, axis=1)
    similarity_of_found = np.full(stacked.shape, -np.inf, dtype=np.float32)
    best, rows = empty_hits(len(probes)), 0
    for start, block in blocks(batches):
        similarity = checked_queries(probes, block.shape[1]) @ block.T
        rows = start + len(block)
        if own_rows is not None:
            own = np.nonzero((own_rows >= start) & (own_rows < rows))[0]
            similarity[own, own_rows[own] - start] = -np.inf
        best = merge_block(best, similarity, start, k)
        probe, place = np.nonzero((stacked >= start) & (stacked < rows))
        similarity_of_found[probe, place] = similarity[probe, stacked[probe, place] - start]
    if not rows:
        raise MissingInputError("recall cannot be measured: the stream holds no vectors")
    others = min(k, rows if own_rows is None else rows - 1)
    if not others:
        return [1.0] * len(found)
    floor = best.similarity[:, others - 1, None] - _TIE_MARGIN
    hits = (stacked != NO_ROW) & (similarity_of_found >= floor)
    return [float(part.sum() / (others * len(probes))) for part in np.split(hits, len(found), axis=1)]
