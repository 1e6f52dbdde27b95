"""A dry run kept in a file, so that a later run writes what it said, only where nobody else has written since."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upath import UPath

from autotag.errors import UsageError
from autotag.review.sidecars.fields import FieldValues
from autotag.review.sidecars.folder import FolderSidecars, sidecar_record
from autotag.review.sidecars.plan import KeptPlan, KeptSidecar
from autotag.storage.tables import write_text

VERSION = 2


def write_plan(path: Path, planned: Mapping[str, FolderSidecars]) -> None:
    """Keep a dry run of folders, by key, with the place that each chose.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    folders = {
        key: {"is_shadow": each.is_shadow, "sidecars": [sidecar_record(plan) for plan in each.sidecars]}
        for key, each in planned.items()
    }
    plan = {"version": VERSION, "folders": folders}
    write_text(UPath(path.absolute()), json.dumps(plan, indent=1) + "\n")


def read_plan(path: str, key: str) -> KeptPlan:
    """What a dry run saw of one folder.

    Raises:
        UsageError: no such file, no plan, or one of other folders.
    """
    try:
        plan = json.loads(Path(path).read_text(encoding="utf-8"))
        if plan["version"] != VERSION:
            raise ValueError(f"version {plan['version']}")
        folders = {
            str(folder): KeptPlan(
                {str(each["sidecar"]): _kept(each) for each in kept["sidecars"]},
                bool(kept["is_shadow"]),
            )
            for folder, kept in plan["folders"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no plan ({error}); `autotag sidecars --dry-run --save-plan {path}` makes one"
        ) from error
    if key not in folders:
        raise UsageError(f"{path} is a plan of {', '.join(folders) or 'no folder'}, not of {key}")
    return folders[key]


def _kept(record: Mapping[str, Any]) -> KeptSidecar:
    return KeptSidecar(str(record["sha256"]), _fields(record["added"]), _fields(record["removed"]))


def _fields(record: Mapping[str, Any]) -> FieldValues:
    return {str(name): tuple(map(str, values)) for name, values in record.items()}
