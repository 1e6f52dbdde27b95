"""The `autotag` command as a user runs it: a settings file, a new process a verb, the JSON of its last line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.watched_process import CLI, Watched, watch


@dataclass(frozen=True, slots=True)
class Told:
    """What a verb said, and what it took."""

    facts: dict[str, Any]
    watched: Watched


def write_settings(path: Path, paths: Mapping[str, Path], shards: int, more: str = "") -> Path:
    """An `autotag.toml` with these `[paths]` and shards `0..shards - 1`; `more` is TOML that is added."""
    lines = [
        more,
        "[paths]",
        *(f"{name} = {json.dumps(str(where.resolve()))}" for name, where in paths.items()),
    ]
    path.write_text("\n".join([*lines, "[source]", "first_shard = 0", f"last_shard = {shards - 1}", ""]))
    return path


def autotag(settings: Path, *arguments: str) -> Told:
    """Run a verb with `--json` in a new process.

    Raises:
        CommandFailedError: it failed; the message ends with what it said.
    """
    home = {"DAGSTER_HOME": str(settings.parent / ".dagster"), "DAGSTER_DISABLE_TELEMETRY": "1"}
    watched = watch([*CLI, *arguments, "--config", str(settings), "--json"], home)
    return Told(json.loads(watched.output.splitlines()[-1]), watched)
