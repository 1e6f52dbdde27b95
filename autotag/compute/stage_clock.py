"""Where the time of a worker goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Sums wall milliseconds by stage name. One clock a worker; not for threads."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; blocks of one name add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - started) * 1000.0
