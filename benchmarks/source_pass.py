"""The source pass, end to end from tar to Parquet, beside its limit: the bare models in the same run on the same machine.

    python -m benchmarks.source_pass --images 1000 --shards 4 --engine actors --repeat 3

Two rates: *end to end* from the start of the process to its exit, imports, Ray and model loading included; *steady* from
the first unit's start, models loaded, to the last commit, both steps together. Ends with 1 when the counts do not close.
"""

import argparse
import os
import statistics
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autotag.pipeline.plan import plan_of
from autotag.settings import Settings
from benchmarks.bare_models import BareModels, Limit, measure_limits
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.corpus import Corpus, make_archive
from benchmarks.measured_pass import (
    CountsDoNotCloseError,
    PassFigures,
    PassOptions,
    run_source_pass,
    settings_for,
)
from benchmarks.pass_process import ENGINES


def report(passes: list[PassFigures], limits: list[list[Limit]]) -> dict[str, Any]:
    """Medians over the repeats; a ratio is of figures of one repeat."""
    best = {kind: [_best(each, kind) for each in limits] for kind in {limit.kind for limit in limits[0]}}
    facts: dict[str, Any] = {
        "repeats": len(passes),
        "images": passes[0].images,
        "crops": passes[0].crops,
        "images_per_s": _median(p.images_per_s for p in passes),
        "steady_images_per_s": _median(p.steady_images_per_s for p in passes),
        "crops_per_s": _median(p.crops / p.seconds for p in passes),
        "steady_crops_per_s": _median(p.crops / p.steady_s for p in passes),
        "cpu_ms_per_image": _median(1000 * p.cpu_s / p.images for p in passes),
    }
    for field in ("seconds", "steady_s", "import_s", "ray_start_s", "models_s", "peak_mib"):
        facts[field] = _median(getattr(p, field) for p in passes)
    facts["stage_ms"] = {
        stage: _median(p.stage_ms.get(stage, 0.0) for p in passes) for stage in passes[0].stage_ms
    }
    for kind, found in sorted(best.items()):
        pairs = list(zip(passes, found, strict=True))
        facts[f"limit_{kind}"] = {
            "images_per_s": _median(limit.images_per_s for limit in found),
            "best": [f"{limit.processes} x {limit.threads} threads" for limit in found],
            "detect_ms": _median(limit.detect_ms for limit in found),
            "embed_ms": _median(limit.embed_ms for limit in found),
            "end_to_end_ratio": _median(p.images_per_s / limit.images_per_s for p, limit in pairs),
            "steady_ratio": _median(p.steady_images_per_s / limit.images_per_s for p, limit in pairs),
        }
    facts["all"] = {
        "passes": [asdict(p) for p in passes],
        "limits": [[asdict(x) for x in each] for each in limits],
    }
    return facts


def _best(limits: list[Limit], kind: str) -> Limit:
    return max((limit for limit in limits if limit.kind == kind), key=lambda limit: limit.images_per_s)


def _median(values: Any) -> float:
    return round(statistics.median(values), 3)


def print_report(facts: dict[str, Any], title: str) -> None:
    """For people."""
    console = Console(width=110)
    table = Table("", "images/s", "crops/s", "of limit (cut)", "of limit (ready)", title=title, box=None)
    limits = {kind: facts.get(f"limit_{kind}", {}) for kind in ("cut", "ready")}
    for name, prefix, ratio in (
        ("end to end", "", "end_to_end_ratio"),
        ("steady", "steady_", "steady_ratio"),
    ):
        shares = [f"{limits[kind][ratio]:.2f}" if limits[kind] else "" for kind in ("cut", "ready")]
        table.add_row(
            name, f"{facts[f'{prefix}images_per_s']:.1f}", f"{facts[f'{prefix}crops_per_s']:.1f}", *shares
        )
    for kind, limit in limits.items():
        if limit:
            crops = limit["images_per_s"] * facts["crops"] / facts["images"]
            table.add_row(
                f"limit, {kind} ({limit['best'][0]})", f"{limit['images_per_s']:.1f}", f"{crops:.1f}"
            )
    console.print(table)
    stages = Table(*facts["stage_ms"], title="worker ms an image", box=None)
    stages.add_row(*(f"{ms:.2f}" for ms in facts["stage_ms"].values()))
    console.print(stages)
    console.print(
        f"{facts['images']} images, {facts['crops']} crops in {facts['seconds']:.1f} s, {facts['steady_s']:.1f} s steady;"
        f" imports {facts['import_s']:.1f} s, Ray {facts['ray_start_s']:.1f} s, models {facts['models_s']:.1f} s;"
        f" processor {facts['cpu_ms_per_image']:.1f} ms an image, peak memory {facts['peak_mib']:.0f} MiB;"
        f" counts close; median of {facts['repeats']}",
        highlight=False,
    )


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options of benchmarks that run a source pass."""
    parser = benchmark_arguments(description)
    parser.add_argument("--engine", choices=ENGINES, default="actors")
    parser.add_argument("--detector", default="starter")
    parser.add_argument("--embedder", default="starter")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default all")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="any other setting"
    )
    parser.add_argument("--dir", type=Path, default=Path("build/bench"), help="where the corpus is kept")
    return parser


def pass_options(args: argparse.Namespace) -> PassOptions:
    """The options as the pass takes them."""
    settings: dict[str, Any] = {}
    for given in args.set:
        key, _, value = given.partition("=")
        section, _, name = key.partition(".")
        settings.setdefault(section, {}).update(tomllib.loads(f"{name} = {value}"))
    models = {"detector": args.detector, "embedder": args.embedder, "device": args.device}
    settings["models"] = {**models, **settings.get("models", {})}
    return PassOptions(args.engine, args.cores, settings)


def bare_models(corpus: Corpus, options: PassOptions, images: int) -> BareModels:
    """What the pass's models are to be measured with."""
    plan = plan_of(Settings(**settings_for(corpus, Path("unused"), options)))
    return BareModels(
        plan.detector, plan.embedder, plan.rules, plan.batch_images, corpus, min(images, corpus.images)
    )


@failures_told(CountsDoNotCloseError)
def main() -> int:
    """Command line; 1 when the counts do not close."""
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument(
        "--limit-images", type=int, default=400, help="images the bare models are measured on"
    )
    args = parser.parse_args()
    options = pass_options(args)
    corpus = make_archive(args.dir, args.images, args.shards)
    bare = bare_models(corpus, options, args.limit_images)
    passes, limits = [], []
    for _ in range(args.repeat):
        limits.append(measure_limits(bare, args.cores))
        passes.append(run_source_pass(corpus, list(corpus.shards), options))
    facts = report(passes, limits)
    print_report(facts, f"source pass, engine {args.engine}, {args.cores} cores")
    print_facts(args, "source_pass", {"engine": args.engine, "cores": args.cores, **facts})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
