"""Where the time of a worker goes, and where its memory was too small."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Sums wall milliseconds by stage name, and counts batches that did not fit. One clock a unit; not for threads."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._too_large: Counter[str] = Counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; blocks of one name add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - started) * 1000.0

    def did_not_fit(self, name: str) -> None:
        """A batch of the stage was more than memory holds."""
        self._too_large[name] += 1

    def notes(self) -> list[str]:
        """For a person: what made the work slower than it need be."""
        return [
            f"{name}: {count} {'batch' if count == 1 else 'batches'} did not fit into memory, smaller ones are given"
            f" since: lower {batch_setting(name)}"
            for name, count in sorted(self._too_large.items())
        ]


def batch_setting(stage: str) -> str:
    """The setting that says how much the model of a stage is given at a time."""
    return f"[models] {'detector' if stage == 'detect' else 'embedder'}_batch"
