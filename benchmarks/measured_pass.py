"""Runs one source pass in a new process, checks that its counts close, and gives its figures."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.corpus import Corpus
from benchmarks.pass_process import PassRequest, pass_command
from benchmarks.watched_process import watch


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
        models_s=max(
            u["started"] - u["called"] for u in told["steps"]["source_embeddings"]["units"].values()
        ),
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
            table = pq.read_table(
                Path(told["tables"]) / name / f"shard={shard}.parquet", columns=["media_id"]
            )
            rows[name] += table.num_rows
            if name == "embeddings":
                media.update(table["media_id"].to_pylist())
    read, embedded = (told["steps"][name]["counts"] for name in ("source_images", "source_embeddings"))
    wanted = {
        "images read": (read["in"], images),
        "images read = out + rejected + duplicates": (
            read["in"],
            read["out"] + read["rejected"] + read["duplicates"],
        ),
        "rows of images": (rows["images"], read["out"]),
        "images to embed": (embedded["in"], read["out"]),
        "images to embed = out + rejected": (embedded["in"], embedded["out"] + embedded["rejected"]),
        "rows of embeddings": (rows["embeddings"], embedded["regions"]),
        "images in embeddings": (len(media), embedded["out"]),
        "units done by this run": (embedded["units"] - embedded["resumed"], len(shards)),
    }
    wrong = [
        f"{what}: {found} instead of {right}" for what, (found, right) in wanted.items() if found != right
    ]
    if wrong:
        raise CountsDoNotCloseError("; ".join(wrong))


def _steady_s(step: dict[str, Any]) -> float:
    units = step["units"].values()
    return max(unit["committed"] for unit in units) - min(unit["started"] for unit in units)


def _stage_ms(steps: dict[str, Any], images: int) -> dict[str, float]:
    busy = {
        name: sum(u["committed"] - u["started"] for u in step["units"].values())
        for name, step in steps.items()
    }
    stages = {stage: ms / images for stage, ms in steps["source_embeddings"]["counts"]["stage_ms"].items()}
    other = 1000 * busy["source_embeddings"] / images - sum(stages.values())
    return {"manifest": 1000 * busy["source_images"] / images, **stages, "other": other}
