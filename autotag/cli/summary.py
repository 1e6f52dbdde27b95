"""The closing words of a verb: a table for people, one JSON object for scripts."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.rejected import RejectedOf
from autotag.cli.run_outcome import Checked, Materialised, Outcome

COLUMNS = {
    "in": "in",
    "out": "out",
    "rejected": "rejected",
    "duplicates": "duplicates",
    "regions": "regions",
    "seconds": "seconds",
    "images_per_s": "images/s",
}
_FOR_PEOPLE_ONLY = {"contact sheet", "reliability"}
_UNBOUNDED = 1000
_TOLD_IN_FULL = {"what is wrong"}
"""Facts of a check that did not pass which stand below it, line by line."""
_IN_WORDS = {"best guess F1": "guessing alone reaches"}


def print_summary(
    console: Console,
    outcome: Outcome,
    as_json: bool,
    rejected: Sequence[RejectedOf] = (),
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print counts, rates, rejected images, checks and paths. With `as_json` all is one JSON object, with `more` in it."""
    if as_json:
        print_json(
            run_id=outcome.run_id,
            steps={entry.asset: facts_of(entry) for entry in outcome.materialised},
            checks={
                f"{each.asset}.{each.check}": {"passed": each.passed, **each.facts} for each in outcome.checks
            },
            rejected={each.asset: {"examples": each.examples, "path": each.place} for each in rejected},
            **(more or {}),
        )
        return
    _print_steps(console, outcome)
    for entry in outcome.materialised:
        _print_reused(console, entry)
    for each in rejected:
        _print_rejected(console, each)
    for checked in outcome.checks:
        _print_check(console, checked)
    for entry in outcome.materialised:
        if notes := entry.facts.get("notes"):
            console.print(f"[dim]{entry.asset}:\n{escape(str(notes))}[/]", highlight=False)
    for path in dict.fromkeys(
        str(entry.facts["path"]) for entry in outcome.materialised if "path" in entry.facts
    ):
        console.print(f"-> {escape(path)}", highlight=False, soft_wrap=True)
    for entry in outcome.materialised:
        _print_tagged(console, entry)


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
            # Of what was made before, the time of this run says nothing.
            is_resumed = entry.facts.get("resumed units") or entry.facts.get("reused")
            unfit = {"images_per_s"} if is_resumed else set()
            cells = (None if column in unfit else entry.facts.get(column) for column in COLUMNS)
            table.add_row(entry.asset, *map(_cell, cells))
    # As wide as its figures: in a log of 80 columns they would be cut off.
    table.width = console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).maximum
    console.print(table, soft_wrap=True)


def _print_reused(console: Console, entry: Materialised) -> None:
    resumed, reused = entry.facts.get("resumed units", 0), entry.facts.get("reused", 0)
    is_source = entry.asset.startswith("source_")
    if resumed and not is_source and entry.partitions > 1:
        return  # of several folders: told folder by folder
    if resumed and is_source and resumed < entry.partitions:
        told = f"{resumed:,} of {entry.partitions:,} shards unchanged and reused"
    elif resumed:
        told = f"unchanged: {f'{resumed:,} shards' if is_source else 'the whole step'} reused"
    elif reused:
        told = f"{reused:,} of {entry.facts['out']:,} images unchanged and reused"
    else:
        return
    console.print(f"{entry.asset}: {told}", highlight=False, soft_wrap=True)


def _print_rejected(console: Console, rejected: RejectedOf) -> None:
    """Some by name, and where all of them stand."""
    some = "" if rejected.count == len(rejected.examples) else ", such as"
    head = f"{rejected.asset}: {rejected.count:,} rejected{some}"
    lines = [head, *(f"  {example}" for example in rejected.examples), f"  all in {rejected.place}"]
    console.print(escape("\n".join(lines)), highlight=False, soft_wrap=True)


def _print_tagged(console: Console, entry: Materialised) -> None:
    """What a folder's vote came to, and the page to look at."""
    facts = entry.facts
    if "images with tags" in facts:
        images, tags = facts["images with tags"], facts["tags given"]
        told = f"{images:,} of {facts['out']:,} images tagged, {tags:,} tags given"
        console.print(told, highlight=False, soft_wrap=True)
    if "page" in facts:
        page = place_of(str(facts["page"]))
        console.print(f"contact sheet: {escape(page)}", highlight=False, soft_wrap=True)


def place_of(page: str) -> str:
    """A page's address, for a terminal that opens it with a click."""
    return page if "://" in page else Path(page).as_uri()


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
    telling = {name: value for name, value in short.items() if not _is_nothing(value)}
    told = ", ".join(f"{_IN_WORDS.get(name, name)} {_cell(value)}" for name, value in telling.items())
    line = f"{word} {checked.asset}: {checked.check}  [dim]{escape(told)}[/]".rstrip()
    console.print(line, highlight=False, soft_wrap=True)
    for name in _TOLD_IN_FULL & checked.facts.keys():
        console.print(f"[dim]{escape(str(checked.facts[name]))}[/]", highlight=False, soft_wrap=True)


def _is_short(value: Any) -> bool:
    return not isinstance(value, list | dict) and "\n" not in str(value) and len(str(value)) < 100


def _is_nothing(value: Any) -> bool:
    """No shards, no faults; a measured 0.0 is a figure."""
    return value == "none" or (isinstance(value, int) and not isinstance(value, bool) and value == 0)


def facts_of(entry: Materialised) -> dict[str, Any]:
    """What an asset told, but for what only people look at."""
    return {name: value for name, value in entry.facts.items() if name not in _FOR_PEOPLE_ONLY}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
