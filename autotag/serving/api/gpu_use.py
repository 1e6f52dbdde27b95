"""What the machine's NVIDIA GPUs do, as their driver tells."""

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU now.

    Attributes:
        number: from 0.
        memory_used_bytes: by all processes.
        memory_bytes: in all.
        busy_ratio: share of the last moments in which it computed, in [0, 1]; None where it is not told, as of GPUs cut in slices.
    """

    number: int
    memory_used_bytes: int
    memory_bytes: int
    busy_ratio: float | None


def gpu_use() -> list[GpuUse]:
    """All GPUs; none where there is no driver. One that does not tell of its memory is left out."""
    driver = _driver()
    if driver is None:
        return []
    try:
        count = driver.nvmlDeviceGetCount()
    except driver.NVMLError:  # it went away since it was opened
        return []
    found = (_use_of(driver, number) for number in range(count))
    return [each for each in found if each is not None]


def _use_of(driver: Any, number: int) -> GpuUse | None:
    try:
        handle = driver.nvmlDeviceGetHandleByIndex(number)
        memory = driver.nvmlDeviceGetMemoryInfo(handle)
    except driver.NVMLError:
        return None
    return GpuUse(number, int(memory.used), int(memory.total), _busy_ratio(driver, handle))


def _busy_ratio(driver: Any, handle: Any) -> float | None:
    try:
        return driver.nvmlDeviceGetUtilizationRates(handle).gpu / 100.0
    except driver.NVMLError:
        return None


@cache
def _driver() -> Any | None:
    """The driver's library, opened once; None where there is none."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
