"""A service is warmed up again and again until nothing is missing, and what goes wrong meanwhile is told once."""

import time

import pytest

from autotag.serving.api import warming as module
from autotag.serving.api.warming import Warming


class ServiceThatNeeds:
    """Is ready after so many attempts; the first one raises what nobody expected."""

    def __init__(self, attempts: int) -> None:
        self.left = attempts
        self.tried = 0

    def warm_up(self) -> None:
        self.tried += 1
        self.left -= 1
        if self.tried == 1:
            raise RuntimeError("the first one always fails")

    def obstacles(self) -> list[str]:
        return ["the catalog does not answer"] if self.left > 0 else []


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.02)


def test_it_is_tried_until_nothing_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    service = ServiceThatNeeds(5)
    warming = Warming(service)  # pyright: ignore[reportArgumentType]
    warming.start()
    warming._thread.join(5)
    assert service.tried == 5
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "not ready yet: RuntimeError: the first one always fails",
        "not ready yet: the catalog does not answer",
    ]


def test_it_ends_when_it_is_told_to() -> None:
    service = ServiceThatNeeds(10**9)
    warming = Warming(service)  # pyright: ignore[reportArgumentType]
    warming.start()
    time.sleep(0.05)
    warming.stop()
    warming._thread.join(5)
    assert not warming._thread.is_alive()
