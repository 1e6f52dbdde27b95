"""Do tags keep the precision that was asked for? Asked against measured, on synthetic scores and on photographs with known tags.

    python -m benchmarks.thresholds                 synthetic scores, whose true precision is known exactly
    python -m benchmarks.thresholds --data DIR      and a folder of photographs, tagged by an archive

`DIR` is laid out as for `tagging_quality`. Its archive is embedded and indexed, thresholds are fitted to it, and its folder is
tagged by the vote and by labels (the archive's own tags as label list) with these thresholds and with the fixed ones.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.label_ranking import RankingRules
from autotag.domain.tag_examples import TagExamples
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FitRules, fit_thresholds
from autotag.errors import MissingInputError
from autotag.pipeline.fit_thresholds import fit_tag_thresholds, known_examples
from autotag.pipeline.plan import plan_of
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag.pipeline.score_labels import label_rules, score_labels
from autotag.pipeline.source_proposals import VOTE, ZERO_SHOT
from autotag.pipeline.tag_folder import tag_folder
from autotag.settings import Settings
from autotag.storage.tables import read_table
from benchmarks.benchmark_run import benchmark_arguments, failures_told, print_facts
from benchmarks.command_line import autotag, write_settings

FOLDER = "dev"
TRUTH = f"truth_{FOLDER}.parquet"
TAGS = 100
RIGHT_MEAN, WRONG_MEAN, SPREAD = 0.45, 0.25, 0.09

Tags = Mapping[str, set[str]]


def synthetic(asked: float, examples: int, base_rate: float, seed: int) -> dict[str, float]:
    """100 tags whose scores are normal, right ones higher; each tag a little different. The true precision is known."""
    chance = np.random.default_rng(seed)
    right_mean = RIGHT_MEAN + chance.normal(0, 0.03, TAGS)
    tag = np.repeat(np.arange(TAGS), examples)
    is_right = chance.random(len(tag)) < base_rate
    score = chance.normal(np.where(is_right, right_mean[tag], WRONG_MEAN), SPREAD)
    names = tuple(f"tag{number:03d}" for number in range(TAGS))
    known = TagExamples(names, tag, np.arange(len(tag)), score, is_right, np.zeros(len(tag), np.bool_))
    fitted = {row.tag: row.threshold for row in fit_thresholds(known, FitRules(asked, 20.0)).thresholds}
    least = np.array([fitted[name] for name in names])
    right = base_rate * norm.sf(least, right_mean, SPREAD)
    wrong = (1 - base_rate) * norm.sf(least, WRONG_MEAN, SPREAD)
    is_given = np.isfinite(least)
    kept = right[is_given] / (right + wrong)[is_given]
    return {"mean": float(kept.mean()), "spread": float(kept.std()), "given": float(is_given.mean())}


def photographs(data: Path, work: Path, asked: float) -> dict[str, Any]:
    """Fit to the archive, tag the folder; precision, recall and tags given of each source, fitted and fixed."""
    shards = sorted(path.stem for path in (data / "source").glob("*.tar"))
    if not shards:
        raise MissingInputError(f"{data / 'source'} holds no tar")
    paths = {
        "data": work / "data",
        "source_shards": data / "source",
        "source_tags": data / "tags",
        "target": data / "target",
    }
    tags = pq.read_table(data / "tags", columns=["tags"])["tags"].to_pylist()
    (work / "labels.txt").write_text("\n".join(sorted({tag for each in tags for tag in each})) + "\n")
    file = write_settings(
        work / "autotag.toml", paths, len(shards), f"[thresholds]\ntarget_precision = {asked}\n"
    )
    for verb in (["segment-source"], ["build-index"], ["thresholds"], ["process-target", "--folder", FOLDER]):
        autotag(file, *verb)
    truth = {row["file"]: set(row["tags"]) for row in pq.read_table(data / TRUTH).to_pylist()}
    return _tagged_both_ways(file, truth)


def _tagged_both_ways(file: Path, truth: Tags) -> dict[str, Any]:
    settings, runtime = Settings.load(file), AutotagRuntime(config=str(file))
    plan, rules, search = plan_of(settings), runtime.vote_rules(), runtime.search_options()
    known = known_examples(plan, settings, rules, search)
    fitted = fit_tag_thresholds(known, plan, settings)
    found: dict[str, Any] = {
        "archive images": known.counts.taken,
        "held out": {
            source: {"given": held.given, "precision": held.precision}
            for source, held in fitted.held_out.items()
        },
        "never given": sum(1 for least in fitted.table.by_tag().values() if np.isinf(least)),
    }
    ways: dict[str, ThresholdTable | None] = {"fixed": None, "fitted": fitted.table}
    for way, table in ways.items():
        tag_folder(plan, FOLDER, rules, search, thresholds=table)
        voted = {
            image.file: {tag.tag for tag in image.tags} for image in read_folder_tags(plan, FOLDER).images
        }
        own = table.of_source(ZERO_SHOT) if table else None
        score_labels(
            plan,
            FOLDER,
            label_rules(settings, RankingRules(settings.labels.topk, settings.labels.threshold, own)),
        )
        rows = read_table(
            plan.layout.folder_tables(FOLDER).label_scores, ["file", "over_threshold"]
        ).to_pylist()
        labelled = {row["file"]: set(row["over_threshold"]) for row in rows}
        found[way] = {VOTE: _against(voted, truth), ZERO_SHOT: _against(labelled, truth)}
    return found


def _against(given: Tags, truth: Tags) -> dict[str, float]:
    """Over the images of the truth."""
    count = sum(len(given[file]) for file in truth)
    right = sum(len(given[file] & tags) for file, tags in truth.items())
    wanted = sum(len(tags) for tags in truth.values())
    return {"given": count, "precision": round(right / max(1, count), 4), "recall": round(right / wanted, 4)}


def _print(console: Console, asked: float, rows: Iterable[tuple[int, float, dict[str, float]]]) -> None:
    table = Table(
        "examples a tag",
        "base rate",
        "mean precision",
        "spread of tags",
        "tags given",
        title=f"synthetic scores, {asked:g} asked",
        box=None,
    )
    for examples, base_rate, kept in rows:
        table.add_row(
            f"{examples}",
            f"{base_rate:g}",
            f"{kept['mean']:.3f}",
            f"{kept['spread']:.3f}",
            f"{kept['given']:.0%}",
        )
    console.print(table)


def _print_photographs(console: Console, asked: float, found: dict[str, Any]) -> None:
    table = Table(
        "source",
        "thresholds",
        "given",
        "precision",
        "recall",
        title=f"photographs, {asked:g} asked",
        box=None,
    )
    for way in ("fixed", "fitted"):
        for source, kept in found[way].items():
            table.add_row(
                source, way, f"{kept['given']}", f"{kept['precision']:.3f}", f"{kept['recall']:.3f}"
            )
    for source, held in found["held out"].items():
        table.add_row(source, "held-out archive", f"{held['given']}", f"{held['precision']:.3f}", "")
    console.print(table)
    console.print(
        f"{found['never given']} tags never reach it; fitted to {found['archive images']} archive images"
    )


@failures_told()
def main() -> int:
    """Command line."""
    parser = benchmark_arguments(__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--precision", type=float, default=0.9)
    args = parser.parse_args()
    console = Console()
    cases = [(examples, base) for base in (0.1, 0.3, 0.6) for examples in (50, 200, 1000)]
    rows = [(examples, base, synthetic(args.precision, examples, base, seed=7)) for examples, base in cases]
    _print(console, args.precision, rows)
    told: dict[str, Any] = {
        "synthetic": [{"examples": examples, "base_rate": base, **kept} for examples, base, kept in rows]
    }
    if args.data:
        with tempfile.TemporaryDirectory(prefix="autotag-") as work:
            told["photographs"] = photographs(args.data, Path(work), args.precision)
        _print_photographs(console, args.precision, told["photographs"])
    print_facts(args, "thresholds", {"asked": args.precision, **told})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
