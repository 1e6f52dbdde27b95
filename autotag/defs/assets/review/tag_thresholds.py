"""tag_thresholds: least scores, tag by tag, for the precision that was asked for."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.assets.reference.faiss_index import faiss_index
from autotag.defs.materialized import failures, metadata
from autotag.defs.partitions import code_version
from autotag.defs.resources.runtime import AutotagRuntime

if TYPE_CHECKING:
    from autotag.domain.threshold_table import ThresholdTable
    from autotag.pipeline.fit_thresholds import FittedTable

TAGS_SHOWN = 50


@dg.asset(
    group_name="review",
    deps=[faiss_index],
    code_version=code_version(1),
    pool="reference",
    kinds={"parquet"},
)
def tag_thresholds(context: dg.AssetExecutionContext, runtime: AutotagRuntime) -> dg.MaterializeResult:
    """Fits each tag's least score to the archive's own images and to what people decided."""
    from autotag.pipeline.fit_thresholds import fit_rules, fit_tag_thresholds, known_examples
    from autotag.pipeline.progress import StepProgress
    from autotag.storage.locks import held, thresholds_lock

    with failures():
        plan, settings, started = runtime.plan(context), runtime.settings, time.perf_counter()
        precision = fit_rules(settings).target_precision  # before the archive is asked
        progress = StepProgress("tag_thresholds", 0, [])
        with held(thresholds_lock(plan.layout, plan.model_id)):
            known = known_examples(plan, settings, runtime.vote_rules(), runtime.search_options())
            fitted = fit_tag_thresholds(known, plan, settings)
        known.counts.seconds = time.perf_counter() - started
        known.counts.notes.extend(known.notes)
        progress.close(known.counts)
    return dg.MaterializeResult(
        metadata=metadata(
            known.counts,
            model_id=plan.model_id,
            path=plan.layout.thresholds(plan.model_id, precision),
            **_told(fitted),
            examples=sum(len(each) for each in known.by_source.values()),
            decisions=sum(int(each.is_decision.sum()) for each in known.by_source.values()),
            index_version=known.facts["index_version"],
        )
    )


def _told(fitted: "FittedTable") -> dict[str, object]:
    from autotag.pipeline.reliability_plot import reliability_markdown, reliability_png

    table = fitted.table
    rows, picture = table.by_tag(), reliability_png(fitted.held_out, table.target_precision)
    return {
        "target precision": table.target_precision,
        "tags fitted": len(rows),
        "tags that no score is enough for": sum(
            1 for threshold in rows.values() if threshold == float("inf")
        ),
        "reliability": dg.MetadataValue.md(reliability_markdown(picture)),
        "thresholds": dg.MetadataValue.md(_table(table)),
    }


def _table(table: "ThresholdTable") -> str:
    """Those with the most right examples first."""
    rows = sorted(table.rows.items(), key=lambda item: (-item[1].right, item[0]))
    lines = [
        f"| {source} | {(tag or '(others)').replace('|', '&#124;')} | {row.threshold:.3f} | {row.abstain_from:.3f} |"
        f" {row.precision:.3f} | {row.right} of {row.examples} | {row.reason} |"
        for (source, tag), row in rows[:TAGS_SHOWN]
    ]
    more = [f"\n{len(rows) - TAGS_SHOWN:,} more in the table."] if len(rows) > TAGS_SHOWN else []
    head = ["| source | tag | least score | judge from | precision | right | why |", "|" + " --- |" * 7]
    return "\n".join([*head, *lines, *more])
