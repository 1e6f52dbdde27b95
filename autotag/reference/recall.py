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


def recall_at_k(searcher: NeighbourSearcher, probes: Vectors, batches: VectorBatches, k: int = 10) -> float:
    """Share of the true k nearest neighbours that the searcher returns, averaged over the probes.

    A returned row counts when its exact similarity is no worse than the true k-th one (less 1e-5).

    Args:
        searcher: the index under test.
        probes: float32 (n, dim), n > 0; a probe that is in the index finds itself, which counts.
        batches: the vectors the index was built from.
        k: neighbours a probe; fewer where the index has fewer rows.

    Raises:
        MissingInputError: no probes.
        ModelMismatchError: probes or vectors of another length.
    """
    return _recalls([searcher.search(probes, k).rows], probes, batches, k)[0]


def calibrate(
    searcher: ReferenceSearcher, probes: Vectors, batches: VectorBatches, target_recall: float, k: int = 10
) -> Calibration:
    """Raise nprobe by doubling until recall@k reaches the target, and leave the searcher so.

    Where no step up to a quarter of the lists reaches it, the best step is kept; the caller judges it.
    An index without inverted lists is measured as it is. The stream is read once whatever the steps.
    Raises like `recall_at_k`.
    """
    steps = _nprobe_steps(searcher)
    found: list[Rows] = []
    for nprobe in steps:
        searcher.tune({"nprobe": nprobe})
        found.append(searcher.search(probes, k).rows)
    if not steps:
        return Calibration(searcher.search_params, recall_at_k(searcher, probes, batches, k), {})
    recalls = _recalls(found, probes, batches, k)
    good_enough = [i for i, recall in enumerate(recalls) if recall >= target_recall]
    chosen = good_enough[0] if good_enough else int(np.argmax(recalls))
    searcher.tune({"nprobe": steps[chosen]})
    return Calibration(searcher.search_params, recalls[chosen], dict(zip(steps, recalls, strict=True)))


def _nprobe_steps(searcher: ReferenceSearcher) -> list[float]:
    if not searcher.lists:
        return []
    steps = [searcher.search_params.get("nprobe", 1.0)]
    while steps[-1] * 2 <= searcher.lists // 4:
        steps.append(steps[-1] * 2)
    return steps


def _recalls(found: list[Rows], probes: Vectors, batches: VectorBatches, k: int) -> list[float]:
    if not len(probes):
        raise MissingInputError("recall cannot be measured without probes; set index.probes above 0")
    stacked = np.concatenate(found, axis=1)
    similarity_of_found = np.full(stacked.shape, -np.inf, dtype=np.float32)
    best = empty_hits(len(probes))
    for start, block in blocks(batches):
        similarity = checked_queries(probes, block.shape[1]) @ block.T
        best = merge_block(best, similarity, start, k)
        probe, place = np.nonzero((stacked >= start) & (stacked < start + len(block)))
        similarity_of_found[probe, place] = similarity[probe, stacked[probe, place] - start]
    if best.rows.shape[1] == 0:
        raise MissingInputError("recall cannot be measured: the stream holds no vectors")
    floor = best.similarity[:, -1:] - _TIE_MARGIN
    hits = (stacked != NO_ROW) & (similarity_of_found >= floor)
    per_search = np.split(hits, len(found), axis=1)
    return [float(part.sum() / (best.rows.shape[1] * len(probes))) for part in per_search]
