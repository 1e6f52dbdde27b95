"""Check of tag_thresholds: whether they keep what was asked for on images they were not fitted to."""

from typing import TYPE_CHECKING

import dagster as dg

from autotag.defs.assets.review.tag_thresholds import tag_thresholds
from autotag.defs.materialized import failures
from autotag.defs.resources.runtime import AutotagRuntime

if TYPE_CHECKING:
    from autotag.domain.held_out import HeldOut

MOST_OFF = 0.03
"""Distance between what was asked for and what was kept that is still called good."""

TAGS_SHOWN = 20


@dg.asset_check(asset=tag_thresholds)
def keeps_target_precision(
    context: dg.AssetCheckExecutionContext, runtime: AutotagRuntime
) -> dg.AssetCheckResult:
    """Fitted to one half of the images and measured on the other: tags of 50 examples or more are right as often as asked."""
    from autotag.domain.held_out import ENOUGH_EXAMPLES
    from autotag.pipeline.fit_thresholds import fit_rules, read_fitted

    with failures():
        fitted = read_fitted(runtime.plan(context), fit_rules(runtime.settings).target_precision)
    found, asked = fitted.held_out, fitted.table.target_precision
    wrong = [fault for source, held in found.items() if (fault := fault_of(source, held, asked))]
    unsaid = [source for source, held in found.items() if held.given < ENOUGH_EXAMPLES]
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "asked": asked,
            "holds for": "images like the archive's",
            **{
                f"{source} precision": round(held.precision, 4)
                for source, held in found.items()
                if held.given
            },
            **({"too few given to say": ", ".join(unsaid)} if unsaid else {}),
            **({"what is wrong": "\n".join(wrong)} if wrong else {}),
            "by bin": dg.MetadataValue.md(_bins(found)),
            "by tag": dg.MetadataValue.md(_tags(found)),
        },
    )


def fault_of(source: str, held: "HeldOut", asked: float) -> str:
    """Less than asked, or more though no more was promised; empty for neither, and for too few tags to tell.

    More is promised where even the lowest scores are right more often than asked, and where scores come in steps.
    """
    from autotag.domain.held_out import ENOUGH_EXAMPLES

    if held.given < ENOUGH_EXAMPLES:
        return ""
    is_less = held.precision < asked - MOST_OFF
    is_more = held.precision > asked + MOST_OFF and held.promised <= asked + MOST_OFF
    if is_less or is_more:
        return (
            f"{source}: {held.precision:.3f} of {held.given} held-out tags are right; {asked:g} was asked for,"
            f" {held.promised:.3f} promised"
        )
    return ""


def _bins(found: "dict[str, HeldOut]") -> str:
    lines = [
        f"| {source} | {each.low:.1f} to {each.high:.1f} | {each.examples} | {each.promised:.3f} | {each.right:.3f} |"
        for source, held in found.items()
        for each in held.bins
    ]
    return "\n".join(["| source | promised | examples | mean promised | right |", "|" + " --- |" * 5, *lines])


def _tags(found: "dict[str, HeldOut]") -> str:
    lines = [
        f"| {source} | {row.tag.replace('|', '&#124;')} | {row.examples} | {row.given} | {row.precision:.3f} |"
        for source, held in found.items()
        for row in held.tags[:TAGS_SHOWN]
    ]
    return "\n".join(["| source | tag | examples | given | right |", "|" + " --- |" * 5, *lines])
