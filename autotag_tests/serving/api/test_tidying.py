import threading
import time

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.serving.api.tidying import COMMITS_A_TIDYING, Tidying


class SlowCatalog(InMemoryCatalog):
    """Tidied only when it may be."""

    def __init__(self) -> None:
        super().__init__("model", 4)
        self.may = threading.Event()
        self.tidied = 0

    def optimise(self) -> None:
        self.may.wait(30)
        self.tidied += 1


def test_commits_during_a_tidying_start_no_second_one() -> None:
    catalog = SlowCatalog()
    tidying = Tidying(catalog)
    for _ in range(10 * COMMITS_A_TIDYING):
        tidying.committed()
    catalog.may.set()
    tidying.close(30)
    assert catalog.tidied == 1


def test_few_commits_start_none_and_nor_do_those_after_the_end() -> None:
    catalog = SlowCatalog()
    catalog.may.set()
    tidying = Tidying(catalog)
    for _ in range(COMMITS_A_TIDYING - 1):
        tidying.committed()
    tidying.close(30)
    tidying.committed()
    assert catalog.tidied == 0


def test_the_end_does_not_wait_for_ever() -> None:
    catalog = SlowCatalog()
    tidying = Tidying(catalog)
    for _ in range(COMMITS_A_TIDYING):
        tidying.committed()
    started_s = time.monotonic()
    tidying.close(0.1)
    assert time.monotonic() - started_s < 5
    assert catalog.tidied == 0
    catalog.may.set()
