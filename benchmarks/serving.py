"""The search API as clients meet it: `autotag serve` on a catalog of 100,000 objects, asked over loopback by another process.

    python -m benchmarks.serving --objects 100000 --queries 300
    python -m benchmarks.serving --objects 100000 --soak 10

The catalog's vectors are made (see `catalog`), of words as the starter models embed them, so that queries go the whole way: text
model, index, filter. Latencies are of one client at a time, from the request to the last byte of the answer; rates are of many.
Ends with 1 where a request had no good answer, an acknowledged image is not in the catalog, or more images are there than were sent.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from autotag.catalog.open import open_catalog
from autotag.domain.catalog_entries import INGESTED_KEY
from autotag.errors import CountsDoNotCloseError
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.search.everyday_words import EVERYDAY_WORDS
from autotag.settings import Settings
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.catalog import LEAST_OBJECTS, RARE
from benchmarks.command_line import write_settings
from benchmarks.corpus import make_folder
from benchmarks.served_api import LOOK_S, served
from benchmarks.serving_catalog import LOOKS, ServedCatalog, make_catalog, recall
from benchmarks.serving_load import LoadRequest, load_command
from benchmarks.watched_process import watch

KNOWN, PICTURES = 50, 60
SOAK_NUMBERS = 10_000_000
"""From here on new queries and pictures of a soak are numbered."""


def asked(request: LoadRequest, scratch: Path) -> dict[str, Any]:
    """What the clients' process tells.

    Raises:
        CountsDoNotCloseError: a request had no good answer.
        CommandFailedError: the process failed.
    """
    watched = watch(load_command(request, scratch / "load.json"), timeout_s=7200)
    told = json.loads(watched.output.splitlines()[-1])
    for phase, facts in told["phases"].items():
        if facts["failed"] or facts["sent"] != facts["answered"]:
            shown = "; ".join(facts["failures"])
            raise CountsDoNotCloseError(
                f"{phase}: {facts['answered']} of {facts['sent']} answered, like: {shown}"
            )
    return told


def check_ingested(settings: Settings, plan: PipelinePlan, made: ServedCatalog, sent: list[str]) -> None:
    """Refuse figures of a server that lost an image, or has one twice.

    Raises:
        CountsDoNotCloseError: it does.
    """
    catalog = open_catalog(settings, plan.layout, plan.model_id, made.embedder.dim, create=False)
    there, images = set(catalog.ids_in(INGESTED_KEY)), catalog.size().images
    catalog.close()
    files = len([each for each in plan.layout.ingested.iterdir() if each.suffix == ".jpg"]) if sent else 0
    if there != set(sent) or len(sent) != files or images != made.images + len(sent):
        raise CountsDoNotCloseError(
            f"{len(sent)} images were acknowledged, {len(set(sent))} different ones; {len(there)} are in the catalog,"
            f" {files} are kept; the catalog holds {images} where {made.images + len(sent)} should be"
        )


def memory_facts(memory_mib: list[float]) -> dict[str, float]:
    """Means of the first and of the last third, and the most at one look.

    Raises:
        CountsDoNotCloseError: fewer than three looks: too short a time to tell anything.
    """
    third = len(memory_mib) // 3
    if not third:
        raise CountsDoNotCloseError(
            f"the soak was too short: {len(memory_mib)} looks at the memory, {LOOK_S:g} s apart"
        )
    first, last = np.mean(memory_mib[:third]), np.mean(memory_mib[-third:])
    return {
        "first_third_mib": float(first),
        "last_third_mib": float(last),
        "growth": float(last / first - 1),
        "peak_mib": max(memory_mib),
    }


def measure(args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """All figures.

    Raises:
        CountsDoNotCloseError: something went missing.
        CommandFailedError: the server or the clients failed.
    """
    file = write_settings(scratch / "autotag.toml", {"data": scratch / "data"}, 1)
    settings = Settings.load(file)
    plan = plan_of(settings)
    made = make_catalog(settings, plan, args.objects)
    request = load_request(args)
    ingested: list[str] = []
    facts: dict[str, Any] = {"images": made.images, "index_rows": made.index_rows, "fill_s": made.fill_s}
    with served(file) as server:
        request = replace(request, url=server.url)
        told = asked(request, scratch)
        ingested += told["ingested"]
        facts |= {"ready_s": server.ready_s, "serve_mib": server.memory_mib[-1], **told["phases"]}
        if args.soak:
            server.memory_mib.clear()
            mixed = asked(replace(request, soak_minutes=args.soak, first_number=SOAK_NUMBERS), scratch)
            ingested += mixed["ingested"]
            facts |= {**mixed["phases"], "memory": memory_facts(list(server.memory_mib))}
            facts["soak_requests"] = sum(each["sent"] for each in mixed["phases"].values())
    check_ingested(settings, plan, made, ingested)
    facts["ingested"] = len(ingested)
    return facts | {"recall_at_10": recall(settings, plan, made, told["found"])}


def load_request(args: argparse.Namespace) -> LoadRequest:
    """What the clients ask, but for the address."""
    corpus = make_folder(args.corpus, PICTURES)
    pictures = sorted((corpus.root / "target" / corpus.folder).glob("*.jpg"))
    words = [f"a photo of a {word}" for word in EVERYDAY_WORDS]
    return LoadRequest(
        url="",
        known=words[:KNOWN],
        probes=[probe(number) for number in range(args.probes)],
        rare=RARE,
        pictures=[str(each.resolve()) for each in pictures],
        queries=args.queries,
        clients=args.clients,
        seconds=args.seconds,
        images=args.ingest,
        ingest_clients=args.ingest_clients,
    )


def probe(number: int) -> str:
    """A query whose recall is measured: in turn of one word, whose regions lie close together, and of what lies between two."""
    word, other = (EVERYDAY_WORDS[place % len(EVERYDAY_WORDS)] for place in (number, 3 * number + 11))
    if number % 2:
        return f"a photo of a {word}"
    return f"a {LOOKS[1 + number % (len(LOOKS) - 1)]}{word} near a {other}"


def show(facts: dict[str, Any]) -> None:
    """Two tables for people."""
    table = Table("requests", "answered", "p50 ms", "p95 ms", "p99 ms", "per s")
    other = Table("figure", "value")
    for name, value in facts.items():
        if isinstance(value, dict) and "sent" in value:
            figures = (f"{value[key]:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms", "per_s"))
            table.add_row(name, f"{value['answered']:,}", *figures)
        elif isinstance(value, dict):
            for key, figure in value.items():
                other.add_row(f"{name} {key}", f"{figure:.4g}")
        else:
            other.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.4g}")
    Console().print(table, other)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--objects", type=int, default=100_000, help="in the catalog; three an image")
    parser.add_argument("--queries", type=int, default=300, help="of each kind, one after another")
    parser.add_argument("--probes", type=int, default=100, help="queries whose recall is measured")
    parser.add_argument("--clients", type=int, default=16, help="that ask at a time")
    parser.add_argument("--seconds", type=float, default=15, help="how long they do")
    parser.add_argument("--ingest", type=int, default=200, help="images")
    parser.add_argument("--ingest-clients", type=int, default=8, help="that send them")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES", help="mixed load, after the rest")
    parser.add_argument("--corpus", type=Path, default=Path("build/bench"), help="where pictures are kept")
    args = parser.parse_args()
    counts = (args.queries, args.probes, args.clients, args.ingest, args.ingest_clients)
    if min(counts) < 1 or args.objects < LEAST_OBJECTS or args.seconds <= 0 or args.soak < 0:
        parser.error(f"give at least {LEAST_OBJECTS} objects, and one or more of everything else")
    return args


@failures_told()
def main() -> int:
    """Measure and tell."""
    args = parse()
    with tempfile.TemporaryDirectory(prefix="autotag-serving-") as directory:
        facts = measure(args, Path(directory))
    show(facts)
    print_facts(args, "serving", {"objects": args.objects, **facts})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
