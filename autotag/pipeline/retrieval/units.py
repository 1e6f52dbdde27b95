"""Work on a store in units: what a unit has to do lies in a table of its own, which its worker reads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import is_in
from autotag.domain.schemas import REJECTS
from autotag.errors import RejectedImageError
from autotag.storage.fingerprints import fingerprint
from autotag.storage.locks import Lock
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import Stamp, read_table, write_table

UNITS_A_WORKER = 4
"""A worker that ends early takes another unit instead of waiting for the slowest."""

MOST_IMAGES = 1024
"""Of a unit: tables of a size that readers like, and little to do again when a process is killed."""


_TODO = ".todo.parquet"


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """Where a unit's files lie while its step is under way."""

    directory: UPath
    unit: str

    @property
    def todo(self) -> UPath:
        """What is to be done."""
        return self.directory / f"{self.unit}{_TODO}"

    @property
    def rows(self) -> UPath:
        """What came of it."""
        return self.directory / f"{self.unit}.rows.parquet"

    @property
    def rejects(self) -> UPath:
        """What could not be done."""
        return self.directory / f"{self.unit}.rejects.parquet"

    @property
    def journal(self) -> UPath:
        """What a worker has in its hands."""
        return self.directory / f"{self.unit}.json"


def unit_size(images: int, workers: int, batch_images: int) -> int:
    """Images a unit: enough units that no worker is idle while another has several batches before it.

    Args:
        images: in all.
        workers: that share them.
        batch_images: that a worker takes at a time; a smaller unit would waste its model's call.
    """
    if workers == 1:
        return MOST_IMAGES
    even, least = images // (workers * UNITS_A_WORKER), min(batch_images, images // workers)
    return max(1, min(MOST_IMAGES, max(even, least)))


def cut_units(directory: UPath, table: pa.Table, size: int) -> list[str]:
    """Write what is to be done, `size` rows a unit; gives the units' names, which tell their content.

    Units of a command that was killed stay as they were cut where all of their rows are still to be done: their journals
    know which images were in its hands.

    Args:
        directory: of the step's units.
        table: what is to be done, with a column `file` that names each row.
        size: most rows of a new unit.
    """
    units, rest = _units_left(directory, table)
    for first in range(0, rest.num_rows, size):
        rows = rest.slice(first, size)
        unit = fingerprint(**{name: rows[name].to_pylist() for name in rows.schema.names})
        write_table(UnitFiles(directory, unit).todo, rows, rows.schema, Stamp("todo", fingerprint=unit))
        units.append(unit)
    return units


def _units_left(directory: UPath, table: pa.Table) -> tuple[list[str], pa.Table]:
    """Units that a killed command left and that are still to be done, and the rows that are in none of them, by file."""
    left = _todo_left(directory, table.schema.names)
    if not left:
        return [], table.sort_by("file")
    rows = pa.concat_tables([files.append_column("unit", _same(unit, files)) for unit, files in left.items()])
    # All of them in one join: there may be a thousand units, and each would go through the whole table.
    waiting = Counter(rows.join(table, table.schema.names, join_type="left semi")["unit"].to_pylist())
    units: list[str] = []
    taken: set[str] = set()
    for unit, todo in left.items():
        files = todo["file"].to_pylist()
        if waiting[unit] == len(files) and taken.isdisjoint(files):
            units.append(unit)
            taken.update(files)
    return units, table.filter(pa.array(~is_in(table["file"], list(taken)))).sort_by("file")


def _todo_left(directory: UPath, columns: Sequence[str]) -> dict[str, pa.Table]:
    """What units that lie there had to do, by their names, in order."""
    paths = sorted(directory.glob(f"*{_TODO}"), key=str) if directory.is_dir() else []
    found = {path.name.removesuffix(_TODO): read_table(path) for path in paths}
    return {unit: rows for unit, rows in found.items() if rows.schema.names == list(columns)}


def _same(unit: str, rows: pa.Table) -> pa.Array:
    return pa.array([unit] * rows.num_rows, pa.string())


def reject_table(rejects: Sequence[tuple[str, RejectedImageError]]) -> pa.Table:
    """Rows of a rejects table, by file."""
    rows: list[dict[str, Any]] = [
        {"key": file, "offset_bytes": None, "stage": error.stage, "reason": error.reason}
        for file, error in sorted(rejects, key=lambda each: each[0])
    ]
    return pa.Table.from_pylist(rows, schema=REJECTS)


def store_lock(store: StoreLayout) -> Lock:
    """Of a whole store: one command works on it at a time."""
    return Lock(store.lock, f"store {store.root}")
