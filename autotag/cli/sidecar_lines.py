"""What the sidecars command prints: changes keyword by keyword, what a run came to, and what was taken back."""

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from autotag.cli.plain_root import FoundFolders
from autotag.domain.identity import folder_path
from autotag.storage.folder_files import printable

if TYPE_CHECKING:
    from autotag.review.sidecars.folder import FolderSidecars
    from autotag.review.sidecars.plan import PlannedSidecar
    from autotag.review.sidecars.undo import UndoneSidecar

MARKS = {"new": "green", "merged": "cyan", "unchanged": "dim", "rejected": "red"}


def print_diff(console: Console, folder: str, found: "FolderSidecars") -> None:
    """A dry run: every sidecar that would change, keyword by keyword."""
    for each in found.sidecars:
        if each.state != "unchanged":
            line(console, f"[{MARKS[each.state]}]{each.state}[/]  {_named(each)}{_reason(each)}")
            for mark, fields in (("-", each.removed), ("+", each.added)):
                _print_keywords(console, mark, fields)
    states = Counter(each.state for each in found.sidecars)
    told = ", ".join(f"{states[state]:,} {state}" for state in MARKS)
    line(console, f"{escape(folder)}: {len(found.sidecars):,} images: {told}; nothing was written")
    warn(console, found.notice)


def print_written(console: Console, folder: str, facts: Mapping[str, Any], options: str) -> None:
    """What a run came to, how to take it back, and, loudest, where sidecars lie that are not where they belong.

    Args:
        console: where to.
        folder: its path below the target root.
        facts: metadata of xmp_sidecars.
        options: those that the command was given to find the folder.
    """
    told = ", ".join(f"{facts[state]:,} {state}" for state in ("new", "merged", "unchanged"))
    line(console, f"{escape(folder)}: sidecars: {told}, {facts['rejected']:,} rejected")
    if facts.get("set aside"):
        line(console, f"{facts['set aside']:,} damaged: kept beside the new ones, as NAME.xmp.damaged")
    if facts["new"] or facts["merged"]:
        undo = f"autotag sidecars {options} --undo {shlex.quote(str(facts['sidecar run']))}"
        line(console, f"to take them back: {escape(undo)}")
    warn(console, str(facts.get("notice", "")))


def print_undone(console: Console, folder: str, undone: "Sequence[UndoneSidecar]") -> None:
    """What was taken back, and by name what was not."""
    for each in undone:
        if each.state == "refused":
            line(console, f"[red]refused[/]  {escape(repr(each.sidecar))}: {escape(each.reason)}")
    states = Counter(each.state for each in undone)
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    line(console, f"{escape(folder)}: {told or 'nothing to take back'}")


def print_failed(failed: Mapping[str, str], found: FoundFolders) -> None:
    """A sentence for each folder that failed, on standard error."""
    told = [f"- {folder}: {sentence}\n" for folder, sentence in failed.items()]
    total = len(found.keys) + len(found.unreadable)
    sys.stderr.write(f"error: {len(failed):,} of {total:,} folders failed:\n{''.join(told)}")


def shown(key: str) -> str:
    """A folder's path below the target root, as a terminal shows it."""
    return printable(folder_path(key))


def warn(console: Console, notice: str) -> None:
    """Nobody overlooks it."""
    if notice:
        line(console, f"[bold white on red] {escape(notice)} [/]")


def line(console: Console, text: str) -> None:
    """One line, never cut off."""
    console.print(text, highlight=False, soft_wrap=True)


def _print_keywords(console: Console, mark: str, fields: Mapping[str, Sequence[str]]) -> None:
    colour = "green" if mark == "+" else "red"
    for field, keywords in fields.items():
        for keyword in keywords:
            line(console, f"  [{colour}]{mark} {escape(keyword)}[/]  [dim]{field}[/]")


def _named(plan: "PlannedSidecar") -> str:
    """The sidecar; a name with line breaks, or that is no UTF-8, as Python spells it."""
    return escape(_shown(plan.sidecar))


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _reason(plan: "PlannedSidecar") -> str:
    aside = f": the damaged one is kept as {_shown(plan.aside)}" if plan.aside else ""
    return f": {escape(plan.reason)}" if plan.reason else escape(aside)
