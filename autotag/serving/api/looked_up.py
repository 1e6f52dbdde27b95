"""Figures that are looked up while Prometheus asks, instead of being told as things happen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure now. Names that end in `_total` are of counters, which only grow; all others of gauges."""

    name: str
    told: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class LookedUp(Collector):
    """Asks its sources one after the other."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Sequence[Reading]]] = []

    def add(self, source: Callable[[], Sequence[Reading]]) -> None:
        """Ask this one, too."""
        self._sources.append(source)

    def collect(self) -> Iterable[Metric]:
        """All figures, those of one name together."""
        families: dict[str, Metric] = {}
        for source in self._sources:
            for each in source():
                family = families.setdefault(each.name, _family(each))
                family.add_sample(each.name, dict(each.labels), each.value)
        return families.values()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the sources."""
        return ()


def _family(reading: Reading) -> Metric:
    if reading.name.endswith("_total"):
        return CounterMetricFamily(reading.name.removesuffix("_total"), reading.told)
    return GaugeMetricFamily(reading.name, reading.told)
