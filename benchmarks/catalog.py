"""Searches the embedded catalog as the API does: text and filtered searches, recall against exact search, upserts.

    python -m benchmarks.catalog --objects 100000 --dim 640 --queries 300

Vectors are made like those of the starter models: a semantic part, a mixture of a few of 1,000 words, and a visual part beside it.
A query by text is a word's vector with nothing in the visual part: nearer to no region than a cosine of about 0.7, and the hardest
case for an index, which has seen no vectors like it. One image in a hundred has the tag that the filter asks for.
Ends with 1 where images or objects are missing, or a filter lets through what it must not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.protocol import Catalog, CatalogHit
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, image_id
from autotag.domain.catalog_filters import CatalogFilter
from autotag.domain.identity import media_id
from autotag.domain.vectors import normalise
from autotag.errors import CountsDoNotCloseError
from autotag.settings.sections import Catalog as CatalogSettings
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts

Vectors = npt.NDArray[np.float32]

MODEL = "made+made"
WORDS, LOOKS = 1000, 300
SEMANTIC_SHARE = 0.6
"""Of a vector's numbers; the visual part has the rest."""
REGIONS_AN_IMAGE = 4
NOISE, OTHER_LOOKS, NEAR = np.float32(0.02), np.float32(0.6), np.float32(0.5)
"""How far regions of the same words, and of the same looks, lie apart, and a query from its word."""
K = 10
WARM_UP = 10
RARE = "rare"
ONE_IN = 100
SLACK = 1e-4
LEAST_OBJECTS = 3000
"""Ten images with the tag that the filter asks for."""
CLASSES = ("person", "dog", "cat", "car", "bicycle")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class MadeSpace:
    """Words and looks that vectors are mixed from."""

    def __init__(self, dim: int) -> None:
        """`dim` numbers a vector."""
        self._random = np.random.default_rng(0)
        self._semantic = int(dim * SEMANTIC_SHARE)
        self._words = normalise(self._drawn(WORDS, self._semantic))
        self._looks = self._drawn(LOOKS, dim - self._semantic)

    def regions(self, count: int) -> Vectors:
        """float32 (count, dim): some words are in many regions, most in few; what has one word looks alike."""
        words = (self._random.zipf(1.3, (count, 3)) - 1) % WORDS
        shares = self._random.dirichlet((1.0, 0.5, 0.3), count).astype(np.float32)
        meaning = np.einsum("nwd,nw->nd", self._words[words], shares)
        meaning = meaning + NOISE * self._drawn(count, self._semantic)
        look = self._looks[(words[:, 0] * 7 + self._random.integers(0, 5, count)) % LOOKS]
        looks = (look + OTHER_LOOKS * self._drawn(count, look.shape[1])).astype(np.float32)
        return normalise(np.concatenate([normalise(meaning), normalise(looks)], axis=1))

    def texts(self, count: int) -> Vectors:
        """float32 (count, dim): words, each a little off, with nothing in the visual part."""
        words = self._words[self._random.integers(0, WORDS, count)]
        queries = np.zeros((count, self._semantic + self._looks.shape[1]), np.float32)
        off = NEAR * normalise(self._drawn(count, self._semantic))
        queries[:, : self._semantic] = normalise((words + off).astype(np.float32))
        return queries

    def _drawn(self, rows: int, columns: int) -> Vectors:
        """Numbers whose spread falls from column to column, as that of learned features does."""
        drawn = self._random.standard_normal((rows, columns), np.float32)
        return (drawn * np.linspace(1, 0.1, columns, dtype=np.float32)).astype(np.float32)


def made_image(number: int, vectors: Vectors) -> CatalogImage:
    """An image with `len(vectors) - 1` objects."""
    folder, file = f"folder{number % 50}", f"{number:07d}.jpg"
    objects = (
        CatalogObject(
            place, (place, 0, place + 50, 60), CLASSES[(number + place) % len(CLASSES)], 0.5, vectors[place]
        )
        for place in range(1, len(vectors))
    )
    tags = (f"tag{number % 37}", f"tag{number % 1000}") + ((RARE,) if number % ONE_IN == 0 else ())
    return CatalogImage(
        image_id=image_id(folder, file),
        media_id=media_id(file.encode()),
        folder=folder,
        file=file,
        width=640,
        height=480,
        tags=tuple(dict.fromkeys(tags)),
        taken_at=None,
        added_at=BEGINNING + timedelta(minutes=number),
        embedding=vectors[0],
        objects=tuple(objects),
    )


def batches(vectors: Vectors, images: int) -> Iterator[list[CatalogImage]]:
    """All images, `images` at a time."""
    regions = vectors.reshape(-1, REGIONS_AN_IMAGE, vectors.shape[1])
    for start in range(0, len(regions), images):
        yield [
            made_image(number, regions[number]) for number in range(start, min(start + images, len(regions)))
        ]


def fill(catalog: Catalog, vectors: Vectors, batch: int) -> dict[str, float]:
    """Upsert all, then build the index."""
    started = time.perf_counter()
    for images in batches(vectors, batch):
        catalog.upsert(images)
    filled = time.perf_counter()
    catalog.optimise()
    images = len(vectors) // REGIONS_AN_IMAGE
    return {
        "fill_images_per_s": images / (filled - started),
        "optimise_s": time.perf_counter() - filled,
    }


def timed(ask: Callable[[Vectors], object], queries: Vectors) -> dict[str, float]:
    """Milliseconds of each query but the first few, and of processor time a query: other work on the machine moves that least."""
    for query in queries[:WARM_UP]:
        ask(query)
    took_ms = []
    worked_s = time.process_time()
    for query in queries:
        started = time.perf_counter()
        ask(query)
        took_ms.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - worked_s) * 1000 / len(queries)
    return {f"p{share}_ms": float(np.percentile(took_ms, share)) for share in (50, 95, 99)} | {
        "cpu_ms": cpu_ms
    }


def recall(catalog: Catalog, vectors: Vectors, queries: Vectors, asked: CatalogFilter | None) -> float:
    """Share of the ten nearest that were found; those as near as the tenth count."""
    places = {
        image_id(f"folder{number % 50}", f"{number:07d}.jpg"): number
        for number in range(len(vectors) // REGIONS_AN_IMAGE)
    }
    passing = np.arange(len(vectors)) // REGIONS_AN_IMAGE % ONE_IN == 0 if asked else np.True_
    shares = []
    for query in queries:
        cosines = np.where(passing, vectors @ query, -2)
        tenth = np.partition(cosines, -K)[-K]
        found = [
            places[hit.image_id] * REGIONS_AN_IMAGE + hit.region_index
            for hit in catalog.search(query, K, "any", asked)
        ]
        shares.append(sum(bool(cosines[row] >= tenth - SLACK) for row in found) / K)
    return float(np.mean(shares))


def upserts(catalog: Catalog, vectors: Vectors, count: int, new_from: int) -> dict[str, float]:
    """Single images, one after another as they are ingested: new ones, then the same again."""
    images = [
        made_image(new_from + number, vectors[number : number + REGIONS_AN_IMAGE]) for number in range(count)
    ]
    facts = {}
    for name in ("insert", "update"):
        started = time.perf_counter()
        for image in images:
            catalog.upsert([image])
        facts[f"{name}_images_per_s"] = count / (time.perf_counter() - started)
    catalog.delete([image.image_id for image in images])
    return facts


def check(catalog: Catalog, vectors: Vectors, hits: list[CatalogHit]) -> None:
    """Refuse figures of a catalog that lost something."""
    images = len(vectors) // REGIONS_AN_IMAGE
    size = catalog.size()
    if (size.images, size.objects) != (images, images * (REGIONS_AN_IMAGE - 1)):
        raise CountsDoNotCloseError(f"{size} of {images} images with {REGIONS_AN_IMAGE - 1} objects each")
    if len(hits) != K or not all(RARE in hit.tags for hit in hits):
        raise CountsDoNotCloseError(f"a filter for {RARE!r} gave {[hit.tags for hit in hits]}")


def measure(args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """All figures."""
    space = MadeSpace(args.dim)
    images = args.objects // (REGIONS_AN_IMAGE - 1)
    vectors, queries = space.regions(images * REGIONS_AN_IMAGE), space.texts(args.queries)
    alike = normalise(vectors[:: max(1, len(vectors) // args.queries)][: args.queries])
    rare = CatalogFilter(tags=(RARE,))
    catalog = LanceCatalog(
        UPath(directory / MODEL), MODEL, args.dim, args.index_from, memory_mb=args.memory_mb
    )
    facts: dict[str, Any] = {"regions": len(vectors), **fill(catalog, vectors, args.batch)}
    facts["index_rows"] = catalog.size().index_rows
    started = time.perf_counter()
    catalog.warm_up()
    facts["warm_up_s"] = time.perf_counter() - started
    facts["text"] = timed(lambda query: catalog.search(query, K), queries)
    facts["text_objects"] = timed(lambda query: catalog.search(query, K, "object"), queries)
    facts["hybrid"] = timed(lambda query: catalog.search(query, K, "any", rare), queries)
    facts["similar"] = timed(lambda query: catalog.search(query, K), alike)
    probes = min(args.queries, args.probes)
    facts["recall_text"] = recall(catalog, vectors, queries[:probes], None)
    facts["recall_similar"] = recall(catalog, vectors, alike[:probes], None)
    facts["recall_hybrid"] = recall(catalog, vectors, queries[:probes], rare)
    facts |= upserts(catalog, vectors, args.upserts, images)
    check(catalog, vectors, catalog.search(queries[0], K, "any", rare))
    return facts


def show(facts: dict[str, Any]) -> None:
    """A table for people."""
    table = Table("figure", "p50 ms", "p95 ms", "p99 ms", "CPU ms")
    for name, value in facts.items():
        if isinstance(value, dict):
            table.add_row(name, *(f"{each:.1f}" for each in value.values()))
        else:
            table.add_row(name, f"{value:.4g}")
    Console().print(table)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--objects", type=int, default=100_000, help="in the catalog; three an image")
    parser.add_argument("--dim", type=int, default=640, help="numbers a vector")
    parser.add_argument("--queries", type=int, default=300, help="of each kind")
    parser.add_argument("--probes", type=int, default=100, help="queries whose recall is measured")
    parser.add_argument("--batch", type=int, default=500, help="images an upsert while it is filled")
    parser.add_argument("--upserts", type=int, default=50, help="images upserted one by one")
    parser.add_argument(
        "--index-from", type=int, default=CatalogSettings().index_from, help="as in [catalog]"
    )
    parser.add_argument(
        "--memory-mb",
        type=int,
        default=CatalogSettings().memory_mb,
        help="as in [catalog]; 0 searches on disk",
    )
    args = parser.parse_args()
    if min(args.queries, args.probes, args.batch, args.upserts) < 1 or args.objects < LEAST_OBJECTS:
        parser.error(f"give at least {LEAST_OBJECTS} objects, and one or more of everything else")
    return args


@failures_told()
def main() -> int:
    """Measure and tell."""
    args = parse()
    with tempfile.TemporaryDirectory() as directory:
        facts = measure(args, Path(directory))
    show(facts)
    print_facts(args, "catalog", {"objects": args.objects, "dim": args.dim, **facts})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
