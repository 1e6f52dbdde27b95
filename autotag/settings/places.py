"""Directories of this machine and user that are not below the data root."""

from pathlib import Path

from autotag.settings.document import Settings
from autotag.settings.environment import variable


def dagster_home(settings: Settings, data_root: str) -> str:
    """`DAGSTER_HOME`, or `<data>/.dagster` (below the settings file when the data root is no local path)."""
    named = variable("DAGSTER_HOME")
    if named:
        return named
    local = str(settings.base / ".autotag") if "://" in data_root else data_root
    return str(Path(local) / ".dagster")


def user_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/autotag`, or `~/.cache/autotag`."""
    return Path(variable("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotag"
