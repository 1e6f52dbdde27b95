"""The closing words of a verb: a table for people, one JSON object for scripts."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.run_outcome import Checked, Outcome

COLUMNS = {
    "in": "in",
    "out": "out",
    "rejected": "rejected",
    "duplicates": "duplicates",
    "regions": "regions",
    "seconds": "seconds",
    "images_per_s": "images/s",
}
_FOR_PEOPLE_ONLY = {"contact sheet"}
_TOLD_IN_FULL = {"what is wrong"}
"""Facts of a check that did not pass which stand below it, line by line."""


def print_summary(console: Console, outcome: Outcome, as_json: bool, **more: Any) -> None:
    """Print counts, rates, checks and paths. With `as_json` the last line is one JSON object."""
    if as_json:
        print_json(
            run_id=outcome.run_id,
            steps={entry.asset: _without_pictures(entry.facts) for entry in outcome.materialised},
            checks={
                f"{each.asset}.{each.check}": {"passed": each.passed, **each.facts} for each in outcome.checks
            },
            **more,
        )
        return
    _print_steps(console, outcome)
    for checked in outcome.checks:
        _print_check(console, checked)
    for entry in outcome.materialised:
        if notes := entry.facts.get("notes"):
            console.print(f"[dim]{entry.asset}:\n{escape(str(notes))}[/]", highlight=False)
    for path in dict.fromkeys(
        str(entry.facts["path"]) for entry in outcome.materialised if "path" in entry.facts
    ):
        console.print(f"-> {escape(path)}", highlight=False, soft_wrap=True)


def print_json(**facts: Any) -> None:
    """One JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(facts, default=str) + "\n")
    sys.stdout.flush()


def _print_steps(console: Console, outcome: Outcome) -> None:
    table = Table(box=None, header_style="bold")
    table.add_column("step")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for entry in outcome.materialised:
        if "in" in entry.facts:
            table.add_row(entry.asset, *(_cell(entry.facts.get(column)) for column in COLUMNS))
    console.print(table)


def _print_check(console: Console, checked: Checked) -> None:
    """One line; a check that did not pass also says what is wrong."""
    word = (
        "[green]passed[/] "
        if checked.passed
        else "[yellow]warning[/]"
        if checked.is_warning
        else "[red]FAILED[/] "
    )
    short = {name: value for name, value in checked.facts.items() if _is_short(value) and name != "version"}
    told = ", ".join(f"{name} {_cell(value)}" for name, value in short.items())
    line = f"{word} {checked.asset}: {checked.check}  [dim]{escape(told)}[/]"
    console.print(line, highlight=False, soft_wrap=True)
    for name in _TOLD_IN_FULL & checked.facts.keys():
        console.print(f"[dim]{escape(str(checked.facts[name]))}[/]", highlight=False, soft_wrap=True)


def _is_short(value: Any) -> bool:
    return not isinstance(value, list | dict) and "\n" not in str(value) and len(str(value)) < 100


def _without_pictures(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in _FOR_PEOPLE_ONLY}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
