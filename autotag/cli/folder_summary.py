"""The closing words of a verb that ran over folders."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from autotag.cli.command_log import UNCHANGED
from autotag.cli.console import new_console
from autotag.cli.folder_runs import FolderRuns, FolderVerb
from autotag.cli.labels_reached import labels_reached, reached_line
from autotag.cli.rejected import rejected_of
from autotag.cli.run_outcome import RESUMED, Outcome, added_up
from autotag.cli.session import Session
from autotag.cli.summary import facts_of, print_json, print_summary

if TYPE_CHECKING:
    from autotag.cli.command_log import CommandLog

FAILURES_TOLD = 20


def print_folders(
    session: Session, verb: FolderVerb, runs: FolderRuns, log: "CommandLog", *, as_json: bool
) -> None:
    """Counts over all folders, what was unchanged, what was rejected, where the results are; or one JSON object."""
    outcomes = list(runs.made.values())
    total = added_up(outcomes) if outcomes else Outcome("", [], [])
    unchanged = _unchanged(outcomes)
    rejected = rejected_of(session.layout, total)
    reach = labels_reached(runs)
    if as_json:
        print_json(
            verb=verb.name,
            steps={entry.asset: facts_of(entry) for entry in total.materialised},
            unchanged=unchanged,
            checks={"passed": sum(each.passed for each in total.checks), "not passed": _not_passed(runs)},
            rejected={each.asset: {"examples": each.examples, "path": each.place} for each in rejected},
            folders={
                folder: {entry.asset: facts_of(entry) for entry in outcome.materialised}
                for folder, outcome in runs.made.items()
            },
            labels=asdict(reach) if reach else None,
            failed=runs.failed,
            log=str(log.path),
            config=str(log.config),
        )
        return
    console = new_console()
    if outcomes:
        print_summary(console, _told(total, len(outcomes)), False, rejected)
    for asset, folders in unchanged.items() if len(outcomes) > 1 else ():
        console.print(f"{asset}: {UNCHANGED} in {folders:,} of {len(outcomes):,} folders", highlight=False)
    if reach:
        console.print(reached_line(reach, session.settings), highlight=False, soft_wrap=True)
    if len(outcomes) > 1:
        place = escape(str(session.layout.target_processed))
        console.print(f"{runs.done:,} folders done -> {place}", highlight=False, soft_wrap=True)
    console.print(f"log: {escape(str(log.path))}", highlight=False, soft_wrap=True)


def print_failed(runs: FolderRuns) -> None:
    """A sentence for each folder that failed, on standard error."""
    lines = [f"error: {len(runs.failed):,} of {len(runs.made.keys() | runs.failed.keys()):,} folders failed:"]
    lines += [f"- {folder}: {told}" for folder, told in list(runs.failed.items())[:FAILURES_TOLD]]
    if len(runs.failed) > FAILURES_TOLD:
        lines.append(f"- and {len(runs.failed) - FAILURES_TOLD:,} more, which the log names")
    sys.stderr.write("\n".join(lines) + "\n")


def _unchanged(outcomes: list[Outcome]) -> dict[str, int]:
    """Folders in which a step had nothing to do, by step."""
    found: dict[str, int] = {}
    for entry in (entry for outcome in outcomes for entry in outcome.materialised):
        if entry.facts.get(RESUMED):
            found[entry.asset] = found.get(entry.asset, 0) + 1
    return found


def _not_passed(runs: FolderRuns) -> list[dict[str, Any]]:
    return [
        {"folder": folder, "check": f"{each.asset}.{each.check}", **each.facts}
        for folder, outcome in runs.made.items()
        for each in outcome.checks
        if not each.passed
    ]


def _told(total: Outcome, folders: int) -> Outcome:
    """Of many folders, checks that passed are not told one by one, nor what only the log can tell folder by folder."""
    if folders == 1:
        return total
    return Outcome(total.run_id, total.materialised, [each for each in total.checks if not each.passed])
