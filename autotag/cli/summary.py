"""The closing words of a verb: a table for people, one JSON object for scripts."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from autotag.cli.session import Outcome

COLUMNS = ("in", "out", "rejected", "duplicates", "regions", "seconds", "images_per_s")
_FOR_PEOPLE_ONLY = {"contact sheet"}


def print_summary(console: Console, outcome: Outcome, as_json: bool, **more: Any) -> None:
    """Print counts, rates and paths. With `as_json` the last line is one JSON object."""
    if as_json:
        print_json(
            run_id=outcome.run_id,
            steps={entry.asset: _without_pictures(entry.facts) for entry in outcome.materialised},
            checks={name: {"passed": passed, **facts} for name, (passed, facts) in outcome.checks.items()},
            **more,
        )
        return
    table = Table(box=None, header_style="bold")
    table.add_column("step")
    for column in COLUMNS:
        table.add_column(column.replace("images_per_s", "images/s"), justify="right")
    for entry in outcome.materialised:
        table.add_row(entry.asset, *(_cell(entry.facts.get(column)) for column in COLUMNS))
    console.print(table)
    for name, (passed, facts) in outcome.checks.items():
        told = ", ".join(f"{key} {_cell(value)}" for key, value in facts.items() if not isinstance(value, list | dict))
        console.print(f"{'[green]passed[/]' if passed else '[red]FAILED[/]'} {name}: {told}")
    for entry in outcome.materialised:
        if notes := entry.facts.get("notes"):
            console.print(f"[dim]{entry.asset}:\n{notes}[/]", highlight=False)
    for path in dict.fromkeys(str(entry.facts["path"]) for entry in outcome.materialised if "path" in entry.facts):
        console.print(f"-> {path}", highlight=False, soft_wrap=True)


def print_json(**facts: Any) -> None:
    """One JSON object on one line of standard output."""
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(json.dumps(facts, default=str))


def _without_pictures(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in _FOR_PEOPLE_ONLY}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
