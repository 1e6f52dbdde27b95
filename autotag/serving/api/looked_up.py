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


class OfReplica(Collector):
    """The figures of one of several services, each with its name: to Prometheus they are series of their own, whoever was asked."""

    def __init__(self, figures: Collector, replica: str) -> None:
        """`replica` is the name."""
        self._figures = figures
        self._replica = replica

    def collect(self) -> Iterable[Metric]:
        """All of them, now."""
        for family in self._figures.collect():
            family.samples = [
                each._replace(labels={**each.labels, "replica": self._replica}) for each in family.samples
            ]
            yield family


def _family(reading: Reading) -> Metric:
    if reading.name.endswith("_total"):
        return CounterMetricFamily(reading.name.removesuffix("_total"), reading.told)
    return GaugeMetricFamily(reading.name, reading.told)
