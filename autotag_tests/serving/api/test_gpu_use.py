"""GPUs as their driver tells of them, with a driver of the tests' own."""

from types import SimpleNamespace

import pytest

from autotag.serving.api import gpu_use as module
from autotag.serving.api.gpu_use import GpuUse, gpu_use


class NvmlError(Exception):
    """What the driver raises."""


class FakeDriver:
    """Two GPUs; the second one is cut in slices and does not tell how busy it is, the third one has gone."""

    NVMLError = NvmlError

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the driver's name
        return 3

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:  # noqa: N802 - the driver's name
        if number == 2:
            raise NvmlError
        return number

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802 - the driver's name
        return SimpleNamespace(used=10 * (handle + 1), total=100)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802 - the driver's name
        if handle == 1:
            raise NvmlError
        return SimpleNamespace(gpu=25)


def test_each_gpu_tells_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_driver", FakeDriver)
    assert gpu_use() == [GpuUse(0, 10, 100, 0.25), GpuUse(1, 20, 100, None)]


def test_without_a_driver_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_driver", lambda: None)
    assert gpu_use() == []


def test_this_machine_can_be_asked_with_or_without_a_gpu() -> None:
    assert all(each.memory_bytes >= each.memory_used_bytes for each in gpu_use())


def test_a_driver_that_has_gone_tells_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(FakeDriver):
        def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the driver's name
            raise NvmlError

    monkeypatch.setattr(module, "_driver", Gone)
    assert gpu_use() == []
