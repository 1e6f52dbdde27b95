"""What a command did, beside its settings: `runs/<time>-<verb>/config.json` and `log.txt`, a line a folder and step."""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upath import UPath

    from autotag.settings import Settings
    from autotag.storage.layout import Layout

UNCHANGED = "unchanged"


class CommandLog:
    """The log of one command; columns are separated by tabs, and a line is there as soon as its step has ended.

    Columns: time in UTC, verb, folder, step, what went in, what came out, what was rejected, seconds, images a second,
    where the result lies, and `unchanged` where nothing had to be done.
    """

    def __init__(self, layout: "Layout", settings: "Settings", verb: str) -> None:
        """Begin the directory of the run.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        from autotag.storage.run_records import write_once
        from autotag.storage.tables import write_text

        self._verb = verb
        self._lines: list[str] = []
        self.run = _new_run(layout, verb)
        self.path: UPath = layout.run_log(self.run)
        self.config: UPath = layout.run_config(self.run)
        write_once(self.config, json.dumps(settings.as_record(), indent=2, sort_keys=True) + "\n")
        write_text(self.path, "")

    def step(self, folder: str, asset: str, facts: Mapping[str, Any]) -> None:
        """A step of a folder has ended well."""
        counts = [f"{name}={facts.get(name, 0)}" for name in ("in", "out", "rejected")]
        times = [
            f"seconds={facts.get('seconds', 0.0):.2f}",
            f"images_per_s={facts.get('images_per_s', 0.0):.2f}",
        ]
        mark = [UNCHANGED] if facts.get("resumed units") else []
        self._write(folder, asset, *counts, *times, f"path={facts.get('path', '')}", *mark)

    def failure(self, folder: str, sentence: str) -> None:
        """A folder could not be done."""
        self._write(folder, "failed", sentence)

    def _write(self, *columns: str) -> None:
        from autotag.storage.roots import is_local, told_if_unwritable
        from autotag.storage.tables import write_text

        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = "\t".join(map(_on_one_line, (now, self._verb, *columns))) + "\n"
        self._lines.append(line)
        if not is_local(self.path):  # an object store has no end to write to
            write_text(self.path, "".join(self._lines))
            return
        with told_if_unwritable(self.path), Path(self.path.path).open("a", encoding="utf-8") as stream:
            stream.write(line)


def _new_run(layout: "Layout", verb: str) -> str:
    """A name that no run has, claimed: the second, and a number where several begin in it."""
    begun = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{verb}"
    names = itertools.chain([begun], (f"{begun}-{number}" for number in itertools.count(2)))
    return next(run for run in names if _is_claimed(layout.run_config(run)))


def _is_claimed(config: "UPath") -> bool:
    """Whether the directory of a run is this command's now. An object store has none: there its settings are looked for."""
    from autotag.storage.roots import is_local, make_directory, told_if_unwritable

    if not is_local(config):
        return not config.exists()
    make_directory(config.parent.parent)
    with told_if_unwritable(config.parent):
        try:
            Path(config.parent.path).mkdir()
        except FileExistsError:
            return False
    return True


def _on_one_line(text: str) -> str:
    """What would end a column or a line, or cannot be stored, is spelled out."""
    return "".join(each if each.isprintable() else _spelled(each) for each in text)


def _spelled(character: str) -> str:
    return " " if character == "\n" else character.encode("unicode_escape").decode("ascii")
