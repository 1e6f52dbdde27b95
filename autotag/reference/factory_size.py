"""How large an index of a FAISS factory string gets, and what it needs to be trained. Pure arithmetic.

Sizes follow the code layouts of FAISS: a flat vector takes 4 bytes a value, SQfp16 2, SQ8 1, SQ6 3/4, SQ4
1/2, PQ M codes of 8 bits, or of 4 bits with x4fs in blocks of 32 rows; an inverted list adds an 8-byte id
a row.
"""

import math
import re
from dataclasses import dataclass

_FIXED_BYTES = 4096
PQ_CENTROIDS = 256
"""What a byte of a product code tells apart."""
ROWS_PER_CENTROID = 39
"""To learn from: k-means of FAISS warns below this; more take time and find no more neighbours."""
_GPU_PQ_BYTES = frozenset({1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96})
_GPU_CODES = re.compile(r"Flat|SQfp16|SQ8|SQ6|SQ4|PQ(\d+)(?:x8)?")
_SQ_BITS = {"SQfp16": 16, "SQ8": 8, "SQ6": 6, "SQ4": 4}


@dataclass(frozen=True, slots=True)
class FactoryParts:
    """A factory string, read.

    Attributes:
        transform_dim: length after OPQ or PCA; None without one.
        lists: inverted lists; 0 without IVF.
        codes: how vectors are stored, e.g. `SQ8`.
        refine: how they are stored a second time for re-ranking; empty = not.
        graph_links: links a row of an HNSW graph over the rows; 0 without one.
    """

    transform_dim: int | None
    lists: int
    codes: str
    refine: str
    graph_links: int

    @property
    def is_exact(self) -> bool:
        """Whether every vector is compared with every query, at float16 precision or better."""
        return not (self.lists or self.graph_links or self.transform_dim) and self.codes in ("Flat", "SQfp16")


def read_factory(factory: str) -> FactoryParts:
    """Take a factory string apart; unknown parts are read as uncompressed storage, an upper bound."""
    transform_dim, lists, codes, refine, links = None, 0, "Flat", "", 0
    for part in re.split(r",(?![^(]*\))", factory.replace(" ", "")):
        if found := re.fullmatch(r"(?:OPQ\d+|PCA[RW]*|RR)_?(\d+)", part):
            transform_dim = int(found[1])
        elif found := re.match(r"IVF(\d+)", part):
            lists = int(found[1])
        elif found := re.match(r"HNSW(\d+)", part):
            links = int(found[1])
        elif part == "RFlat":
            refine = "Flat"
        elif found := re.fullmatch(r"Refine\((.+)\)", part):
            refine = found[1]
        else:
            codes = part
    return FactoryParts(transform_dim, lists, codes, refine, links)


def estimate_bytes(factory: str, rows: int, dim: int) -> int:
    """Size of the finished index, in memory and on disk, within a few per cent."""
    parts = read_factory(factory)
    inner_dim = parts.transform_dim or dim
    size = _FIXED_BYTES + rows * _code_bytes(parts.codes, inner_dim)
    size += 2 * 4 * inner_dim  # ranges of a scalar quantiser
    if parts.transform_dim:
        size += 4 * (dim + 1) * inner_dim
    if parts.codes.startswith("PQ"):
        size += 4 * inner_dim * (16 if "x4" in parts.codes else PQ_CENTROIDS)
    if parts.lists:
        size += rows * 8 + parts.lists * (4 * inner_dim + 32)
    if parts.lists and "fs" in parts.codes:
        size += parts.lists * 16 * math.ceil(_code_bytes(parts.codes, inner_dim))
    if parts.graph_links:
        size += rows * (8 * parts.graph_links + 24)
    if parts.refine:
        size += rows * _code_bytes(parts.refine, dim) + 2 * 4 * dim
    return math.ceil(size)


def rows_to_train(factory: str, rows: int) -> tuple[int, int]:
    """Training rows an index cannot do without, and those it had better have; 0, 0 = nothing is trained.

    The second is at most `rows`; the first may be more, and then the factory does not suit so few rows.
    """
    parts = read_factory(factory)
    least, wanted = 0, 0
    if parts.lists:
        least, wanted = parts.lists, ROWS_PER_CENTROID * parts.lists
    if re.search(r"PQ|ITQ|RQ|LSQ", factory):
        least = max(least, 16 if "x4" in parts.codes else PQ_CENTROIDS)
        wanted = max(wanted, 2 * ROWS_PER_CENTROID * PQ_CENTROIDS)
    if re.search(r"SQ[468]|SQ8|PCA", factory) or parts.codes not in (*_SQ_BITS, "Flat"):
        least, wanted = max(least, 1), max(wanted, 10_000)
    return least, min(wanted, rows)


def runs_on_gpu(factory: str) -> bool:
    """Whether FAISS can move the whole index to a GPU."""
    parts = read_factory(factory)
    if parts.refine or parts.graph_links or "HNSW" in factory:
        return False
    if not parts.lists:
        return parts.codes == "Flat"
    found = _GPU_CODES.fullmatch(parts.codes)
    return bool(found) and (found[1] is None or int(found[1]) in _GPU_PQ_BYTES)


def _code_bytes(codes: str, dim: int) -> float:
    if codes in _SQ_BITS:
        return math.ceil(dim * _SQ_BITS[codes] / 8)
    if found := re.match(r"PQ(\d+)", codes):
        return int(found[1]) / 2 if "x4" in codes else int(found[1])
    return 4 * dim
