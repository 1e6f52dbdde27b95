"""A dry run kept in a file, so that a later run writes only where nobody else has written since."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from upath import UPath

from autotag.errors import UsageError
from autotag.review.sidecars.folder import sidecar_record
from autotag.review.sidecars.plan import PlannedSidecar
from autotag.storage.tables import write_text

VERSION = 1


def write_plan(path: Path, planned: Mapping[str, Sequence[PlannedSidecar]]) -> None:
    """Keep a dry run of folders, by key.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    folders = {key: [sidecar_record(plan) for plan in plans] for key, plans in planned.items()}
    plan = {"version": VERSION, "folders": folders}
    write_text(UPath(path.absolute()), json.dumps(plan, indent=1) + "\n")


def read_plan(path: str, key: str) -> dict[str, str]:
    """Hashes of the sidecars at the time of a dry run, by name; empty for one that was not there.

    Raises:
        UsageError: no such file, no plan, or one of other folders.
    """
    try:
        plan = json.loads(Path(path).read_text(encoding="utf-8"))
        if plan["version"] != VERSION:
            raise ValueError(f"version {plan['version']}")
        folders = {
            str(folder): {str(each["sidecar"]): str(each["sha256"]) for each in sidecars}
            for folder, sidecars in plan["folders"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no plan ({error}); `autotag sidecars --dry-run --save-plan {path}` makes one"
        ) from error
    if key not in folders:
        raise UsageError(f"{path} is a plan of {', '.join(folders) or 'no folder'}, not of {key}")
    return folders[key]
