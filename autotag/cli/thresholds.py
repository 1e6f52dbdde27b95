"""autotag thresholds."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.verb import run_assets
from autotag.domain.label_ranking import OTHERS
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FittedThreshold

JOB = "thresholds_job"
OTHERS_TOLD = "(others)"
TAGS_SHOWN = 40
FEW = "~"
"""Marks a tag whose own examples count for less than its group's."""

CLOSING = (
    f"{FEW} few examples of its own, so mostly as its group or all tags; never: no score is right often enough; each tag's"
    " reason: --json\n"
    "They hold for images like the archive's. Few images, or many alike, promise too much: measure a folder whose tags you"
    " know with `autotag evaluate`."
)
"""What the figures cannot say; see docs/thresholds.md."""

_HALF = 0.5
_UNBOUNDED = 1000


def thresholds(
    config: Config = None,
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision",
            help="Share of the given tags that must be right, like 0.9; default [thresholds] target_precision.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show all tags, not only the best known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit each tag's least score to the archive and to your decisions, so that the wanted share of the given tags is right."""
    overrides = {} if precision is None else {"thresholds.target_precision": precision}
    session = Session.open(config, overrides)
    from autotag.pipeline.fit_thresholds import fit_rules
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.thresholds_in_use import thresholds_in_use

    def in_use() -> ThresholdTable | None:
        return thresholds_in_use(plan_of(session.settings), session.settings)

    fit_rules(session.settings)
    run_assets(session, JOB, ["tag_thresholds"], as_json=as_json, more=lambda: _record(in_use()))
    if as_json or (table := in_use()) is None:
        return
    console = new_console()
    print_thresholds(console, table, None if every else TAGS_SHOWN)
    console.print(CLOSING, highlight=False, markup=False, soft_wrap=True)
    if precision is not None and precision != Session.open(config).settings.thresholds.target_precision:
        console.print(
            f"to have tags given by these, set [thresholds] target_precision = {precision:g}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def print_thresholds(console: Console, found: ThresholdTable, most: int | None) -> None:
    """A table of tags, those with the most right examples first; `most` a source, None for all."""
    for source in dict.fromkeys(source for source, _ in found.rows):
        rows = sorted(
            (row for (of, _), row in found.rows.items() if of == source),
            key=lambda row: (row.tag != OTHERS, -row.right, row.tag),
        )
        shown = rows[:most]
        table = _table(source, shown)
        # As wide as its cells: a tag is told whole, and on one line.
        table.width = console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).maximum
        console.print(table, soft_wrap=True)
        if len(shown) < len(rows):
            console.print(f"{len(rows) - len(shown):,} more tags; --all shows them", highlight=False)


def _table(source: str, rows: Iterable[FittedThreshold]) -> Table:
    table = Table(title=source, title_justify="left", box=None, header_style="bold")
    table.add_column("tag")
    for heading in ("least score", "judge from", "precision", "right", "of"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(
            escape(row.tag) if row.tag != OTHERS else OTHERS_TOLD,
            _score(row.threshold),
            _score(row.abstain_from),
            f"{row.precision:.2f}",
            f"{row.right:,}",
            f"{row.examples:,}",
            FEW if row.tag != OTHERS and row.own_weight < _HALF else "",
        )
    return table


def _record(found: ThresholdTable | None) -> dict[str, Any]:
    """For scripts; JSON knows no infinity, so a tag that is never given has no threshold."""
    if found is None:
        return {}
    rows = [
        {
            "source": source,
            **{name: None if value == math.inf else value for name, value in asdict(row).items()},
        }
        for (source, _), row in found.rows.items()
    ]
    return {"target_precision": found.target_precision, "thresholds": rows}


def _score(score: float) -> str:
    return "never" if math.isinf(score) else f"{score:.3f}"
