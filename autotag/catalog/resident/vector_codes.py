"""Vectors in memory, and the nearest of them: short codes propose, the vectors themselves decide."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from autotag.catalog.protocol import Vectors

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

EXACT_ROWS = 10_000
"""So few are compared one by one: about as fast, and exact."""

NUMBERS_A_CODE = 4
"""Numbers of a vector that one code of four bits stands for (product quantisation: H. Jegou, M. Douze and C. Schmid, 2011)."""

CANDIDATES, CANDIDATES_A_HIT = 3000, 20
"""Rows that the codes propose, whose vectors then decide; more where more hits are wanted."""

TRAINING_ROWS, ROUNDS, GROWTH = 4096, 10, 4
"""Codes are learned from so many rows in so many rounds, and again when there are `GROWTH` times as many rows."""

_SEED = 0


class VectorCodes:
    """Vectors as 16-bit floats, numbered as they came. Reading may be shared; `add` and `learn` want to be alone."""

    def __init__(self, dim: int) -> None:
        """Of vectors of `dim` numbers, unit L2 norm."""
        import faiss

        quantizer = faiss.ScalarQuantizer
        self._vectors: Any = faiss.IndexScalarQuantizer(dim, quantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._codes: Any = None
        self._learned_from = 0
        self._dim = dim

    def __len__(self) -> int:
        """Vectors there are."""
        return self._vectors.ntotal

    def reserve(self, rows: int) -> None:
        """Make room for so many vectors in all: while room doubles, what is there lies in memory twice."""
        there = self._vectors.codes.size()
        self._vectors.codes.resize(max(there, rows * self._vectors.code_size))
        self._vectors.codes.resize(there)

    def add(self, vectors: Vectors) -> None:
        """Vectors, float32 (n, dim), get the next n positions."""
        rows = np.ascontiguousarray(vectors, np.float32)
        with _one_thread():
            self._vectors.add(rows)
            if self._codes is not None:
                self._codes.add(rows)

    def at(self, positions: Positions) -> Vectors:
        """float32 (positions, dim)."""
        return self._vectors.reconstruct_batch(positions)

    def should_learn(self) -> bool:
        """Whether codes pay that are not there yet, or were learned from far fewer rows."""
        rows = len(self)
        return rows > EXACT_ROWS and rows >= GROWTH * self._learned_from and not self._dim % NUMBERS_A_CODE

    def learn(self) -> None:
        """Make the codes, from a sample of the vectors; takes seconds."""
        import faiss

        rows = len(self)
        quantized: Any = faiss.IndexPQFastScan(
            self._dim, self._dim // NUMBERS_A_CODE, 4, faiss.METRIC_INNER_PRODUCT
        )
        quantized.pq.cp.niter = ROUNDS
        # Turned at random, so that no code stands for numbers that say more, or less, than the others' do.
        turn: Any = faiss.RandomRotationMatrix(self._dim, self._dim)
        turn.init(_SEED)
        codes: Any = faiss.IndexPreTransform(turn, quantized)
        drawn = np.sort(np.random.default_rng(_SEED).permutation(rows)[:TRAINING_ROWS])
        with _one_thread():
            codes.train(self.at(drawn))
            for start in range(0, rows, EXACT_ROWS):
                codes.add(self._vectors.reconstruct_n(start, min(EXACT_ROWS, rows - start)))
        self._codes, self._learned_from = codes, rows

    def nearest(
        self, query: Vectors, k: int, allowed: Mask | None = None
    ) -> tuple[Positions, npt.NDArray[np.float32]]:
        """The nearest rows, best first, and their cosines; fewer than k only where no more are allowed.

        Args:
            query: float32 (dim,), unit L2 norm.
            k: 1 or more.
            allowed: bool (rows,); None allows all.
        """
        there = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, there)
        if not k:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        with _one_thread():
            proposed = self._proposed(query, k, allowed, there)
            return self._exactly(query, k, allowed if proposed is None else proposed)

    def _proposed(self, query: Vectors, k: int, allowed: Mask | None, there: int) -> Mask | None:
        """Rows worth comparing; None where all that are allowed have to be."""
        if self._codes is None or there <= EXACT_ROWS:
            return None
        enough = max(CANDIDATES, CANDIDATES_A_HIT * k)
        asked = math.ceil(enough * len(self) / there)
        if asked > len(self) // 2:
            return None
        _, found = self._codes.search(query[None], asked)
        rows = found[0][found[0] >= 0]
        if allowed is not None:
            rows = rows[allowed[rows]]
            if len(rows) < enough // 2:  # what is allowed lies far from the query
                return None
        proposed = np.zeros(len(self), np.bool_)
        proposed[rows[:enough]] = True
        return proposed

    def _exactly(
        self, query: Vectors, k: int, allowed: Mask | None
    ) -> tuple[Positions, npt.NDArray[np.float32]]:
        import faiss

        params = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selected: Any = faiss.IDSelectorBitmap
            made: Any = faiss.SearchParameters
            params = made(sel=selected(bits))
        scores, found = self._vectors.search(query[None], k, params=params)
        return found[0], np.clip(scores[0], -1, 1)  # 16 bits make some vectors a little too long


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS works in the calling thread alone: its steps are so short that waking others, which then spin, costs more."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
