"""What the API tells Prometheus: counts and times it is told, and figures it looks up when it is asked.

Every label has few values, known beforehand: routes are templates, methods and stages are words of ours, never what a client sent.
"""

import time
from collections.abc import Callable, Mapping
from threading import Lock

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from autotag.catalog.protocol import CatalogSize
from autotag.errors import AutotagError
from autotag.search.text_vectors import CacheCounts
from autotag.serving.api.gpu_use import GpuUse, gpu_use
from autotag.serving.api.looked_up import LookedUp, OfReplica, Reading

disable_created_metrics()  # a second series beside every one, which nothing looks at

SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.09, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Bounds of latency buckets; the targets of the searches are among them, so that a share below them can be told."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OUTCOMES = ("added", "known", "rejected", "failed")
"""Of an image that was sent to be ingested."""

CATALOG_REMEMBERED_S = 15.0
"""How long the catalog's size is believed: counting a large one costs more than a scrape should."""


class Metrics:
    """One registry of its own a service, so that several can live in one process. Threads may share it.

    Attributes:
        registry: what holds the figures.
        replica: name of this service, told with every figure, where several answer behind one address.
    """

    def __init__(self) -> None:
        """Nothing is looked up until `watch_...` says where."""
        self.replica = ""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Answered requests", "route", "method", "status")
        self._request_s = self._histogram(
            "request_seconds", "From a request to its answer's end", "route", "method"
        )
        self._in_flight = Gauge("autotag_requests_in_flight", "Requests under way", registry=self.registry)
        self._turned_away = self._counter("requests_turned_away", "Requests answered 503: too many wait")
        self._stage_s = self._histogram("stage_seconds", "Time of a stage of a request", "stage")
        self._batch_size = self._histogram(
            "batch_size", "Requests that shared a model's call", "model", bounds=SIZES
        )
        self._batch_s = self._histogram("batch_seconds", "Time of a model's call", "model")
        self._load_s = Gauge(
            "autotag_model_load_seconds", "Time a model took to load", ["model"], registry=self.registry
        )
        self._ingested = self._counter("ingested_images", "Images sent to be ingested", "outcome")
        for outcome in OUTCOMES:  # Prometheus sees a first failure only where there was a 0 before
            self._ingested.labels(outcome)
        self._looked_up = LookedUp()
        self.registry.register(self._looked_up)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An answered request.

        Args:
            route: its template, like `/images/{image_id}`; "" where none matched.
            method: as it was sent; unknown ones count as "other".
            status: of the answer.
            seconds: until the answer's last byte was handed over.
        """
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._request_s.labels(route, method).observe(seconds)

    def entered(self) -> None:
        """A request is under way."""
        self._in_flight.inc()

    def left(self) -> None:
        """It is not any more."""
        self._in_flight.dec()

    def turned_away(self) -> None:
        """A request was not even begun, because too many are under way."""
        self._turned_away.inc()

    def stage(self, name: str, seconds: float) -> None:
        """A stage of a request: `embed_text`, `search`, `upload`, `embed_image`, `catalog_write`, ... words of the code, few."""
        self._stage_s.labels(name).observe(seconds)

    def batch(self, model: str, size: int, seconds: float) -> None:
        """A call of a model that `size` requests shared; `model` is the queue's name: `texts`, `uploads`."""
        self._batch_size.labels(model).observe(size)
        self._batch_s.labels(model).observe(seconds)

    def model_load(self, name: str, seconds: float) -> None:
        """A model was loaded; `name` is its part: `detector`, `embedder`, `vote`."""
        self._load_s.labels(name).set(seconds)

    def ingested(self, outcome: str) -> None:
        """An image was sent to be ingested; `outcome` is one of `OUTCOMES`."""
        self._ingested.labels(outcome).inc()

    def watch_text_cache(self, counts: Callable[[], CacheCounts]) -> None:
        """Ask there how often a query's vector was remembered."""

        def look() -> list[Reading]:
            now = counts()
            return [
                Reading("autotag_text_cache_hits_total", "Queries whose vector was remembered", now.hits),
                Reading("autotag_text_cache_misses_total", "Queries whose vector was not", now.misses),
                Reading("autotag_text_cache_entries", "Queries remembered now", now.remembered),
            ]

        self._looked_up.add(look)

    def watch_queues(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        """Ask there how many requests wait for a model, by queue."""

        def look() -> list[Reading]:
            help_text = "Requests waiting for a model"
            return [
                Reading("autotag_queue_waiting", help_text, depth, {"queue": queue})
                for queue, depth in sorted(waiting().items())
            ]

        self._looked_up.add(look)

    def watch_catalog(self, size: Callable[[], CatalogSize]) -> None:
        """Ask there how much the catalog holds, at most every `CATALOG_REMEMBERED_S`."""
        self._looked_up.add(_Remembered(size))

    def watch_gpus(self, use: Callable[[], list[GpuUse]] = gpu_use) -> None:
        """Tell what the machine's GPUs do, where there are any."""

        def look() -> list[Reading]:
            return [reading for each in use() for reading in _gpu_readings(each)]

        self._looked_up.add(look)

    def told(self, accept: str) -> tuple[bytes, str]:
        """All figures now, and their content type: OpenMetrics where the client asks for it."""
        encode, content_type = choose_encoder(accept)
        figures = OfReplica(self.registry, self.replica) if self.replica else self.registry
        return encode(figures), content_type

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"autotag_{name}", told, labels, registry=self.registry)

    def _histogram(
        self, name: str, told: str, *labels: str, bounds: tuple[float, ...] = SECONDS
    ) -> Histogram:
        return Histogram(f"autotag_{name}", told, labels, buckets=bounds, registry=self.registry)


class _Remembered:
    """The catalog's size, as it was a few seconds ago; that it does not answer is a figure, too."""

    def __init__(self, size: Callable[[], CatalogSize]) -> None:
        self._size = size
        self._lock = Lock()
        self._readings: list[Reading] = []
        self._at = -CATALOG_REMEMBERED_S

    def __call__(self) -> list[Reading]:
        with self._lock:
            if time.monotonic() - self._at >= CATALOG_REMEMBERED_S:
                self._readings = self._look()
                self._at = time.monotonic()
            return self._readings

    def _look(self) -> list[Reading]:
        answers = "Whether the catalog's store answers"
        try:
            size = self._size()
        except AutotagError:
            return [Reading("autotag_catalog_up", answers, 0)]
        return [
            Reading("autotag_catalog_up", answers, 1),
            Reading("autotag_catalog_images", "Images of the catalog", size.images),
            Reading("autotag_catalog_objects", "Objects of the catalog", size.objects),
            Reading("autotag_catalog_indexed_regions", "Regions in the vector index", size.index_rows),
        ]


def _gpu_readings(use: GpuUse) -> list[Reading]:
    label = {"gpu": str(use.number)}
    readings = [
        Reading("autotag_gpu_memory_used_bytes", "Memory of the GPU in use", use.memory_used_bytes, label),
        Reading("autotag_gpu_memory_bytes", "Memory of the GPU", use.memory_bytes, label),
    ]
    if use.busy_ratio is not None:
        told = "Share of time the GPU computed, lately"
        readings.append(Reading("autotag_gpu_busy_ratio", told, use.busy_ratio, label))
    return readings
