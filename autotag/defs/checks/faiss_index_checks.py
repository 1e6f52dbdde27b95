"""Checks of faiss_index: what it finds, what it covers, how well it tags. They measure; a bad figure is a warning."""

from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.assets.reference.faiss_index import faiss_index
from autotag.defs.materialized import failures
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.identity import shard_name

if TYPE_CHECKING:
    from autotag.domain.agreement import TagAgreement

WORST_TAGS = 10
SHARDS_NAMED = 20


@dg.asset_check(asset=faiss_index)
def recall_at_10(context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime) -> dg.AssetCheckResult:
    """Share of the true 10 nearest neighbours that the index finds, measured against exact search on a probe set."""
    from autotag.pipeline.measure_reference import reference_manifest

    with failures():
        floor = runtime.settings.index.min_recall_at_10
        manifest = reference_manifest(runtime.plan(context))
    recall = manifest.recall_at_10
    return dg.AssetCheckResult(
        passed=recall is not None and recall >= floor,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if recall is not None else "not measured: the index holds no vector",
        metadata={
            "recall_at_10": "not measured" if recall is None else round(recall, 4),
            "min_recall_at_10": floor,
            "factory": manifest.factory,
            "version": manifest.version,
        },
    )


@dg.asset_check(asset=faiss_index)
def covers_all_shards(context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime) -> dg.AssetCheckResult:
    """The index holds every shard of the settings, as it is now, and none that is embedded no more."""
    from autotag.pipeline.build_reference import embedded_shards
    from autotag.pipeline.measure_reference import reference_coverage

    with failures():
        plan = runtime.plan(context)
        coverage = reference_coverage(plan)
        embedded = set(embedded_shards(plan.layout.source(plan.model_id)))
        source = runtime.settings.source
    wanted = (shard_name(number) for number in range(source.first_shard, source.last_shard + 1))
    waiting = tuple(name for name in wanted if name not in embedded)
    return dg.AssetCheckResult(
        passed=not (coverage.missing or coverage.gone or coverage.changed or waiting),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "covered shards": coverage.covered,
            "missing": _names(coverage.missing),
            "not embedded yet": _names(waiting),
            "embedded no more": _names(coverage.gone),
            "embedded or tagged again": _names(coverage.changed),
            "version": coverage.version,
        },
    )


@dg.asset_check(asset=faiss_index)
def leave_one_out_f1(context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime) -> dg.AssetCheckResult:
    """Archive images, tagged by the rest of the archive, against their own tags; better than guessing, or a warning."""
    from autotag.pipeline.measure_reference import leave_one_out

    with failures():
        images = runtime.settings.index.loo_images
        found = leave_one_out(runtime.plan(context), images, runtime.vote_rules(), runtime.search_options())
    micro = found.agreement.micro
    return dg.AssetCheckResult(
        passed=found.agreement.images > 0 and micro.f1 > found.guessing_f1,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "micro F1": round(micro.f1, 4),
            "precision": round(micro.precision, 4),
            "recall": round(micro.recall, 4),
            "macro F1": round(found.agreement.macro.f1, 4),
            "best guess F1": round(found.guessing_f1, 4),
            "images": found.agreement.images,
            "without a tag": found.untagged,
            "worst tags": dg.MetadataValue.md(_table(found.worst_tags(WORST_TAGS))),
            "version": found.version,
        },
    )


def _names(shards: tuple[str, ...]) -> str:
    more = f" and {len(shards) - SHARDS_NAMED} more" if len(shards) > SHARDS_NAMED else ""
    return (", ".join(shards[:SHARDS_NAMED]) + more) or "none"


def _table(rows: "list[TagAgreement]") -> str:
    if not rows:
        return "too few images of any tag"
    lines = [
        f"| {row.tag} | {row.support} | {row.tp} | {row.fp} | {row.fn} | {row.scores.f1:.2f} |"
        for row in rows
    ]
    return "\n".join(
        ["| tag | images | right | wrong | missed | F1 |", "| --- | --- | --- | --- | --- | --- |", *lines]
    )
