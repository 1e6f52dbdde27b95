"""The source pass, end to end from tar to Parquet, beside its limit: the bare models in the same run on the same machine.

    python -m benchmarks.source_pass --images 1000 --shards 4 --engine actors --repeat 3

Two rates: *end to end* from the start of the process to its exit, imports, Ray and model loading included; *steady* from
the first unit's start, models loaded, to the last commit, both steps together. Ends with 1 when the counts do not close.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from autotag.errors import AutotagError
from autotag.pipeline.plan import plan_of
from autotag.settings import Settings
from benchmarks.bare_models import BareModels, Limit, measure_limits
from benchmarks.corpus import Corpus, make_archive
from benchmarks.pass_process import ENGINES, PassRequest, pass_command
from benchmarks.watched_process import CommandFailedError, watch


class CountsDoNotCloseError(Exception):
    """Items went missing: the figures are void."""


@dataclass(frozen=True, slots=True)
class PassFigures:
    """One source pass.

    Attributes:
        images: embedded.
        crops: regions embedded, whole images included.
        seconds: from the start of the process to its exit.
        steady_s: both steps, each from its first unit's start to its last commit.
        import_s: Python and imports.
        ray_start_s: the local Ray session.
        models_s: the slowest worker's loading of its models.
        peak_mib: most memory of the process tree.
        cpu_s: processor time of the process tree.
        stage_ms: worker milliseconds an image, by stage; `other` is what no stage accounts for.
    """

    images: int
    crops: int
    seconds: float
    steady_s: float
    import_s: float
    ray_start_s: float
    models_s: float
    peak_mib: float
    cpu_s: float
    stage_ms: dict[str, float]

    @property
    def images_per_s(self) -> float:
        """End to end."""
        return self.images / self.seconds

    @property
    def steady_images_per_s(self) -> float:
        """Without start-up."""
        return self.images / self.steady_s


@dataclass(frozen=True, slots=True)
class PassOptions:
    """How a pass is run: the engine, the cores it may use, and sections of the settings over the defaults."""

    engine: str
    cores: int
    settings: dict[str, Any]


def run_source_pass(corpus: Corpus, shards: list[str], options: PassOptions) -> PassFigures:
    """Run a pass over some of the corpus's shards in a new process, into an empty directory, and check its counts.

    Raises:
        CountsDoNotCloseError: images or regions went missing, or were counted twice.
        CommandFailedError: the process failed.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "times").mkdir()
        settings = settings_for(corpus, scratch, options)
        request = PassRequest(settings, options.engine, options.cores, shards, str(scratch / "times"))
        watched = watch(pass_command(request, scratch / "request.json"))
        told = json.loads(watched.output.splitlines()[-1])
        check_counts(told, shards, corpus.images * len(shards) // len(corpus.shards))
    embedded = told["steps"]["source_embeddings"]["counts"]
    return PassFigures(
        images=embedded["out"],
        crops=embedded["regions"],
        seconds=watched.seconds,
        steady_s=sum(_steady_s(step) for step in told["steps"].values()),
        import_s=told["entered"] - watched.started,
        ray_start_s=told["ray_start_s"],
        models_s=max(u["started"] - u["called"] for u in told["steps"]["source_embeddings"]["units"].values()),
        peak_mib=watched.peak_mib,
        cpu_s=watched.cpu_s,
        stage_ms=_stage_ms(told["steps"], embedded["out"]),
    )


def settings_for(corpus: Corpus, scratch: Path, options: PassOptions) -> dict[str, Any]:
    """Sections of the settings of a pass: the corpus in, the scratch directory out."""
    sections: dict[str, Any] = {
        "paths": {"data": str(corpus.root.resolve()), "source_processed": str(scratch / "processed")},
        "source": {"last_shard": len(corpus.shards) - 1},
        "ray": {"num_cpus": options.cores},
    }
    for section, keys in options.settings.items():
        sections[section] = {**sections.get(section, {}), **keys}
    return sections


def check_counts(told: dict[str, Any], shards: list[str], images: int) -> None:
    """Every image is accounted for, and the tables hold what was counted.

    Raises:
        CountsDoNotCloseError: they do not.
    """
    rows = {name: 0 for name in ("images", "embeddings")}
    media: set[str] = set()
    for shard in shards:
        for name in rows:
            table = pq.read_table(Path(told["tables"]) / name / f"shard={shard}.parquet", columns=["media_id"])
            rows[name] += table.num_rows
            if name == "embeddings":
                media.update(table["media_id"].to_pylist())
    read, embedded = (told["steps"][name]["counts"] for name in ("source_images", "source_embeddings"))
    wanted = {
        "images read": (read["in"], images),
        "images read = out + rejected + duplicates": (read["in"], read["out"] + read["rejected"] + read["duplicates"]),
        "rows of images": (rows["images"], read["out"]),
        "images to embed": (embedded["in"], read["out"]),
        "images to embed = out + rejected": (embedded["in"], embedded["out"] + embedded["rejected"]),
        "rows of embeddings": (rows["embeddings"], embedded["regions"]),
        "images in embeddings": (len(media), embedded["out"]),
        "units done by this run": (embedded["units"] - embedded["resumed"], len(shards)),
    }
    wrong = [f"{what}: {found} instead of {right}" for what, (found, right) in wanted.items() if found != right]
    if wrong:
        raise CountsDoNotCloseError("; ".join(wrong))


def _steady_s(step: dict[str, Any]) -> float:
    units = step["units"].values()
    return max(unit["committed"] for unit in units) - min(unit["started"] for unit in units)


def _stage_ms(steps: dict[str, Any], images: int) -> dict[str, float]:
    busy = {name: sum(u["committed"] - u["started"] for u in step["units"].values()) for name, step in steps.items()}
    stages = {stage: ms / images for stage, ms in steps["source_embeddings"]["counts"]["stage_ms"].items()}
    other = 1000 * busy["source_embeddings"] / images - sum(stages.values())
    return {"manifest": 1000 * busy["source_images"] / images, **stages, "other": other}


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
    facts["stage_ms"] = {stage: _median(p.stage_ms.get(stage, 0.0) for p in passes) for stage in passes[0].stage_ms}
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
    facts["all"] = {"passes": [asdict(p) for p in passes], "limits": [[asdict(x) for x in each] for each in limits]}
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
    for name, prefix, ratio in (("end to end", "", "end_to_end_ratio"), ("steady", "steady_", "steady_ratio")):
        shares = [f"{limits[kind][ratio]:.2f}" if limits[kind] else "" for kind in ("cut", "ready")]
        table.add_row(name, f"{facts[f'{prefix}images_per_s']:.1f}", f"{facts[f'{prefix}crops_per_s']:.1f}", *shares)
    for kind, limit in limits.items():
        if limit:
            crops = limit["images_per_s"] * facts["crops"] / facts["images"]
            table.add_row(f"limit, {kind} ({limit['best'][0]})", f"{limit['images_per_s']:.1f}", f"{crops:.1f}")
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
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default="actors")
    parser.add_argument("--detector", default="starter")
    parser.add_argument("--embedder", default="starter")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default all")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="any other setting")
    parser.add_argument("--dir", type=Path, default=Path("build/bench"), help="where the corpus is kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
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
    plan = plan_of(Settings(**settings_for(corpus, Path("unused"), options)), "benchmark")
    return BareModels(plan.detector, plan.embedder, plan.rules, plan.batch_images, corpus, min(images, corpus.images))


def main() -> int:
    """Command line; 1 when the counts do not close."""
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--limit-images", type=int, default=400, help="images the bare models are measured on")
    args = parser.parse_args()
    options = pass_options(args)
    try:
        corpus = make_archive(args.dir, args.images, args.shards)
        bare = bare_models(corpus, options, args.limit_images)
        passes, limits = [], []
        for _ in range(args.repeat):
            limits.append(measure_limits(bare, args.cores))
            passes.append(run_source_pass(corpus, list(corpus.shards), options))
    except (AutotagError, CommandFailedError, CountsDoNotCloseError) as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    facts = report(passes, limits)
    print_report(facts, f"source pass, engine {args.engine}, {args.cores} cores")
    if args.json:
        sys.stdout.write(json.dumps({"benchmark": "source_pass", "engine": args.engine, "cores": args.cores, **facts}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
