"""Environment variables: those of ours, and those that keep libraries from calling home."""

import os
from collections.abc import Collection

from autotag.errors import SettingsError

PREFIX = "AUTOTAG_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
PROFILE_VARIABLE = f"{PREFIX}PROFILE"


def variable(name: str) -> str | None:
    """A variable's value; None when it is not set."""
    return os.environ.get(name)


def spelled(name: str) -> str:
    """A variable's name as it stands in the environment, whatever its case; empty when it is not set."""
    return next((found for found in os.environ if found.upper() == name.upper()), "")


def refuse_unknown_sections(sections: Collection[str]) -> None:
    """Variables that look like ours must name one of these sections.

    Raises:
        SettingsError: one that does not; it would be without effect.
    """
    for name in os.environ:
        section, nested, _ = name.upper().removeprefix(PREFIX).partition("__")
        if name.upper().startswith(PREFIX) and nested and section.lower() not in sections:
            known = ", ".join(sorted(sections))
            raise SettingsError(f"{name}: no such section {section.lower()!r}; known are {known}")


def export(name: str, value: str) -> None:
    """Set a variable for child processes, so that they read what this process read."""
    os.environ[name] = value


def refuse_telemetry() -> None:
    """Keep libraries from calling home, here and in child processes; a variable that is set already is left."""
    for name, value in (
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("YOLO_OFFLINE", "true"),
        ("YOLO_AUTOINSTALL", "false"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("DO_NOT_TRACK", "1"),
    ):
        os.environ.setdefault(name, value)
