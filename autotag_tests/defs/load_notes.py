"""Notes who loads a model, here and in Ray's workers: `note_loads` is the setup hook of their processes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "LOAD_NOTES_OF_A_TEST"
ROLES = ("detector", "embedder")


def note_loads() -> None:
    """From now on every load of a model in this process is a file in the directory that the variable names."""
    from autotag.pipeline import plan

    for role in ROLES:
        setattr(plan, f"load_{role}", noting(role, getattr(plan, f"load_{role}")))


def noting(role: str, load: Callable[..., Any]) -> Callable[..., Any]:
    """`load`, and a file `<role> <process id> <number>` each time."""

    def loaded(*arguments: Any) -> Any:
        directory = Path(os.environ[VARIABLE])
        number = len(list(directory.glob(f"{role} {os.getpid()} *")))
        (directory / f"{role} {os.getpid()} {number}").touch()
        return load(*arguments)

    return loaded


def loads(directory: Path, role: str) -> dict[int, int]:
    """How often each process loaded the model, by process id."""
    found: dict[int, int] = {}
    for path in directory.glob(f"{role} *"):
        pid = int(path.name.split()[1])
        found[pid] = found.get(pid, 0) + 1
    return found
