"""Chooses the index: exact where that is affordable, else inverted lists over codes as fine as memory allows.

The ladder follows FAISS's guidelines (github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index)
and autofaiss's sizes (PQ codes by memory; github.com/criteo/autofaiss), with three differences: 2 * sqrt(rows)
lists instead of 4, which are learned in a quarter of the time and searched as fast at equal recall; vectors
arrive as float16, so SQfp16 is the top rung of IVF and loses next to nothing at half the bytes; and the coarse
quantiser is flat, since HNSW's is filled by racing threads and would make a rebuild of the same vectors another
file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from autotag.errors import MissingInputError, SettingsError
from autotag.reference.factory_size import (
    PQ_CENTROIDS,
    ROWS_PER_CENTROID,
    estimate_bytes,
    read_factory,
    rows_to_train,
    runs_on_gpu,
)

FLAT_ROWS = 100_000
"""Up to here every vector is compared: 100k x 640 cost a few ms a query on one core and need no training."""
FAST_SCAN_ROWS = 5_000_000
"""From here 4-bit codes are scanned first and the best re-ranked at float16, where memory allows both."""
_MAX_LISTS = 65_536
_MIB = 1 << 20

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to build, and why.

    Attributes:
        factory: FAISS factory string.
        rows: vectors the index will hold.
        dim: their length.
        train_rows: vectors sampled for training; 0 = the index learns nothing.
        search_params: nprobe, efSearch, k_factor: those that apply.
        estimated_bytes: size of the finished index.
        reason: one sentence for a person.
        metric: always the inner product; the vectors have unit norm, so it is the cosine.
    """

    factory: str
    rows: int
    dim: int
    train_rows: int
    search_params: dict[str, float] = field(default_factory=dict)
    estimated_bytes: int = 0
    reason: str = ""
    metric: Literal["inner_product"] = "inner_product"


def plan_index(
    rows: int,
    dim: int,
    memory_budget_bytes: int,
    *,
    factory: str | None = None,
    target_recall: float = 0.95,
    device: Device = "cpu",
) -> IndexPlan:
    """Choose an index for `rows` vectors of length `dim`.

    Args:
        rows: vectors to index.
        dim: their length.
        memory_budget_bytes: the finished index, and the training sample with its copy, must each fit.
        factory: a FAISS factory string that wins over every rule; None or empty = choose.
        target_recall: recall@10 wished for, in [0, 1]; sets the first guess of nprobe and k_factor.
        device: "cuda" leaves out what FAISS cannot hold on a GPU.

    Returns:
        The first rung of the ladder that fits the budget.

    Raises:
        MissingInputError: there is nothing to index.
        SettingsError: no rung fits the budget, or the named factory does not suit the rows or the device.
    """
    if rows < 1 or dim < 1:
        raise MissingInputError(
            f"the reference index has nothing to hold ({rows} vectors of length {dim}); materialise"
            " source_embeddings for at least one shard first"
        )
    if factory:
        return _named_plan(factory, rows, dim, memory_budget_bytes, target_recall, device)
    smallest = None
    for name, why in _ladder(rows, dim, memory_budget_bytes, device):
        size = estimate_bytes(name, rows, dim)
        if size <= memory_budget_bytes:
            return _plan(name, rows, dim, memory_budget_bytes, target_recall, f"{rows} rows: {why}")
        smallest = size if smallest is None else min(smallest, size)
    needed = f"needs {_mib(smallest)} MiB" if smallest else "cannot be trained in it"
    raise SettingsError(
        f"index.memory_budget_mib: {_mib(memory_budget_bytes)} MiB cannot hold {rows} vectors of length"
        f" {dim}; the smallest index that would do {needed}; raise the budget, index fewer shards, or name one with"
        " index.factory"
    )


def _named_plan(
    factory: str, rows: int, dim: int, budget_bytes: int, target_recall: float, device: Device
) -> IndexPlan:
    least, _ = rows_to_train(factory, rows)
    if least > rows:
        raise SettingsError(
            f"index.factory: {factory} has to be trained on at least {least} vectors and there are {rows};"
            " name one with fewer lists or codes, or leave index.factory empty"
        )
    if device == "cuda" and not runs_on_gpu(factory):
        raise SettingsError(
            f'index.factory: FAISS cannot move {factory} to a GPU; set index.device = "cpu" or name a factory'
            " of the form Flat, IVF<n>,Flat|SQfp16|SQ8 or OPQ<m>_<d>,IVF<n>,PQ<m>"
        )
    size = estimate_bytes(factory, rows, dim)
    reason = f"{rows} rows: named by index.factory"
    if size > budget_bytes:
        reason += f", although it takes about {_mib(size)} MiB and the budget is {_mib(budget_bytes)} MiB"
    return _plan(factory, rows, dim, budget_bytes, target_recall, reason)


def _ladder(rows: int, dim: int, budget_bytes: int, device: Device) -> Iterator[tuple[str, str]]:
    lists = _lists(rows, dim, budget_bytes)
    if rows <= FLAT_ROWS or lists == 0:
        yield "Flat", "few enough to compare with every one of them"
        prefix, scanned = "", "every code is compared"
    else:
        prefix, scanned = f"IVF{lists},", f"{lists} inverted lists"
    on_gpu = device == "cuda"
    if prefix and rows >= FAST_SCAN_ROWS and not on_gpu:
        m = max(1, dim // 8)
        yield (
            f"OPQ{m}_{m * min(4, dim // m)},{prefix}PQ{m}x4fs,Refine(SQfp16)",
            f"{scanned}, 4-bit codes scanned first, the best re-ranked at float16",
        )
    if prefix or not on_gpu:
        yield f"{prefix}SQfp16", f"{scanned}, vectors at float16"
        for bits in (8, 6, 4):
            yield f"{prefix}SQ{bits}", f"{scanned}, {bits} bits a value to fit the memory budget"
    if min(rows, _trainable_rows(dim, budget_bytes)) < ROWS_PER_CENTROID * PQ_CENTROIDS or (
        on_gpu and not prefix
    ):
        return
    for m in _pq_sizes(dim):
        name = f"OPQ{m}_{m * min(4, dim // m)},{prefix}PQ{m}"
        if not on_gpu or runs_on_gpu(name):
            yield name, f"{scanned}, {m}-byte product codes to fit the memory budget"


def _lists(rows: int, dim: int, budget_bytes: int) -> int:
    """Power of two near 2 * sqrt(rows), fewer where the budget cannot hold their training; 0 = none.

    k-means takes time by the square of the lists, so a row's share of it stays the same however many rows there are.
    """
    lists = min(_MAX_LISTS, 2 ** round(math.log2(2 * math.sqrt(rows))))
    while lists and ROWS_PER_CENTROID * lists > min(rows, _trainable_rows(dim, budget_bytes)):
        lists //= 2
    return lists


def _pq_sizes(dim: int) -> list[int]:
    """Bytes a code, finest first: 4, 8, 16 and 32 values a byte, and FAISS's GPU sizes among them."""
    by_dim = {max(1, dim // values) for values in (4, 8, 16, 32)}
    return sorted(by_dim | {m for m in (96, 64, 32, 16) if dim // 32 <= m <= dim // 4}, reverse=True)


def _plan(
    factory: str, rows: int, dim: int, budget_bytes: int, target_recall: float, reason: str
) -> IndexPlan:
    least, wanted = rows_to_train(factory, rows)
    train_rows = min(wanted, max(least, _trainable_rows(dim, budget_bytes)))
    return IndexPlan(
        factory=factory,
        rows=rows,
        dim=dim,
        train_rows=train_rows,
        search_params=_search_params(factory, target_recall),
        estimated_bytes=estimate_bytes(factory, rows, dim),
        reason=f"{reason} ({factory}, about {_mib(estimate_bytes(factory, rows, dim))} MiB).",
    )


def _search_params(factory: str, target_recall: float) -> dict[str, float]:
    parts = read_factory(factory)
    effort = 2 if target_recall > 0.95 else 1
    params: dict[str, float] = {}
    if parts.lists:
        near_root = 2 ** round(math.log2(math.sqrt(parts.lists)))
        params["nprobe"] = min(parts.lists, effort * max(8, near_root))
    if parts.graph_links:
        params["efSearch"] = 64 * effort
    if parts.refine:
        params["k_factor"] = 8 * effort
    return params


def _trainable_rows(dim: int, budget_bytes: int) -> int:
    return budget_bytes // (2 * 4 * dim)  # the sample and the copy that transforms and k-means make of it


def _mib(size_bytes: int) -> int:
    return math.ceil(size_bytes / _MIB)
