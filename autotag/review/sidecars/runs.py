"""What each run did to sidecars, with the bytes that were there before: written down before a sidecar is touched.

`<run>/batch-0001.json` says what a batch is about to do, `<run>/batch-0001.done.json` which of it was done,
`<run>/before/<sha256>.xmp` is what was there before, `<run>/undone.json` what was taken back since.
"""

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from upath import UPath

from autotag.errors import MissingInputError, PermanentError
from autotag.review.sidecars.diff import owned_after
from autotag.review.sidecars.fields import FieldValues
from autotag.review.sidecars.place import FoundSidecar, SidecarPlace
from autotag.storage.tables import write_bytes, write_text

VERSION = 1
DONE = ".done.json"
LAST = "last"


@dataclass(frozen=True, slots=True)
class SidecarEntry:
    """What a run did to one sidecar.

    Attributes:
        file: the image.
        sidecar: name of its sidecar.
        is_shadow: whether it lies in the shadow of the folder.
        before_sha256: of the bytes before; empty where there was no sidecar.
        before_mtime_ns: their modification time.
        before_mode: their permissions.
        after_sha256: of the bytes written.
        added: keywords of ours in it, by field: those that were written, and those that were there.
        removed: keywords that were taken away or are ours no more, by field.
        aside: name that the bytes before were kept under, for they were damaged; empty for none.
    """

    file: str
    sidecar: str
    is_shadow: bool
    before_sha256: str
    before_mtime_ns: int
    before_mode: int
    after_sha256: str
    added: FieldValues
    removed: FieldValues
    aside: str = ""


def new_run_name() -> str:
    """Sorts by time: `20260131T235959.123456Z-1a2b3c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{uuid.uuid4().hex[:6]}"


class SidecarRun:
    """The journal of one run."""

    def __init__(self, directory: UPath) -> None:
        self._directory = directory
        self.name = PurePosixPath(directory.path).name

    def save_before(self, found: FoundSidecar) -> None:
        """Keep the bytes that a sidecar has now.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        path = self._before(found.sha256)
        if not path.exists():
            write_bytes(path, found.data)

    def before(self, sha256: str) -> bytes:
        """Bytes that a sidecar had.

        Raises:
            PermanentError: they are damaged or gone.
        """
        path = self._before(sha256)
        try:
            found = FoundSidecar(path.read_bytes())
        except FileNotFoundError as error:
            raise PermanentError(f"{path} is gone: the earlier bytes of a sidecar were kept there") from error
        if found.sha256 != sha256:
            raise PermanentError(f"{path} is damaged: it is not the earlier sidecar any more")
        return found.data

    def begin_batch(self, number: int, entries: Sequence[SidecarEntry]) -> None:
        """Write down what is about to be done."""
        self._write(f"batch-{number:04d}.json", {"entries": [asdict(entry) for entry in entries]})

    def end_batch(self, number: int, sidecars: Collection[str]) -> None:
        """Write down which sidecars were written."""
        self._write(f"batch-{number:04d}{DONE}", {"sidecars": sorted(sidecars)})

    def end_undo(self, sidecars: Collection[str]) -> None:
        """Write down which sidecars were taken back, besides those of before."""
        self._write("undone.json", {"sidecars": sorted({*sidecars, *self.undone()})})

    def undone(self) -> set[str]:
        """Sidecars that were taken back."""
        facts = self._read("undone.json")
        return set(facts["sidecars"]) if facts else set()

    def entries(self, folder: SidecarPlace, shadow: SidecarPlace) -> Iterator[SidecarEntry]:
        """What the run did, and was not taken back. Of a batch that was killed, what lies there says how far it came."""
        undone = self.undone()
        for name in sorted(self._names()):
            if not name.startswith("batch-") or name.endswith(DONE):
                continue
            facts, done = self._read(name), self._read(name.removesuffix(".json") + DONE)
            for record in facts["entries"] if facts else []:
                entry = SidecarEntry(**_tuples(record))
                if entry.sidecar in undone or (done and entry.sidecar not in done["sidecars"]):
                    continue
                if done or _lies_there(entry, shadow if entry.is_shadow else folder):
                    yield entry

    def has_written(self, folder: SidecarPlace, shadow: SidecarPlace) -> bool:
        """Whether any sidecar that it wrote was not taken back; what was refused at the very end was not written."""
        return any(entry.before_sha256 != entry.after_sha256 for entry in self.entries(folder, shadow))

    def settle(self, folder: SidecarPlace, shadow: SidecarPlace) -> None:
        """Close batches that a killed run left open, before their sidecars are written again."""
        for name in self._names():
            facts = self._read(name) if name.startswith("batch-") and not name.endswith(DONE) else None
            if facts is None or self._read(name.removesuffix(".json") + DONE) is not None:
                continue
            entries = [SidecarEntry(**_tuples(record)) for record in facts["entries"]]
            there = [each for each in entries if _lies_there(each, shadow if each.is_shadow else folder)]
            number = int(name.removeprefix("batch-").removesuffix(".json"))
            self.end_batch(number, [each.sidecar for each in there])

    def report(self, records: Sequence[Mapping[str, Any]]) -> UPath:
        """Write down what became of every image; the file's place."""
        self._write("report.json", {"sidecars": list(records)})
        return self._directory / "report.json"

    def _names(self) -> list[str]:
        return [PurePosixPath(path.path).name for path in self._directory.iterdir()]

    def _before(self, sha256: str) -> UPath:
        return self._directory / "before" / f"{sha256}.xmp"

    def _write(self, name: str, facts: Mapping[str, Any]) -> None:
        write_text(self._directory / name, json.dumps({"version": VERSION, **facts}, indent=1) + "\n")

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self._directory / name
        try:
            facts = dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise PermanentError(
                f"{path} is damaged ({error}): it says which keywords are autotag's own; restore it, or move the run's"
                " directory away, and what it wrote counts as yours"
            ) from error
        if facts.get("version") != VERSION:
            raise PermanentError(
                f"{path} is of another release of autotag; use that one, or move the directory away"
            )
        return facts


def sidecar_runs(root: UPath) -> list[SidecarRun]:
    """All runs of a folder, oldest first."""
    if not root.exists():
        return []
    found = [SidecarRun(path) for path in root.iterdir() if not PurePosixPath(path.path).name.startswith(".")]
    return sorted(found, key=lambda run: run.name)


def named_run(root: UPath, name: str, folder: SidecarPlace, shadow: SidecarPlace) -> SidecarRun:
    """One run of a folder; "last" is the last one that wrote and was not taken back as a whole.

    Raises:
        MissingInputError: there is none of that name, or none that "last" could be.
    """
    runs = {run.name: run for run in sidecar_runs(root)}
    if name in runs:
        return runs[name]
    wrote = [run for run in reversed(runs.values()) if run.has_written(folder, shadow)]
    if name == LAST and wrote:
        return wrote[0]
    if name == LAST:
        raise MissingInputError(
            f"no sidecar of {folder.directory} is there to take back: no run has written any, or all were taken back already"
        )
    there = ", ".join(run.name for run in wrote[:5]) or "none"
    raise MissingInputError(
        f"no run {name!r} has written sidecars of {folder.directory}; those that have, newest first: {there}"
    )


def owned_keywords(
    root: UPath, folder: SidecarPlace, shadow: SidecarPlace, *, is_shadow: bool = False
) -> dict[str, FieldValues]:
    """Keywords that earlier runs wrote and did not take away again, by sidecar and field.

    A sidecar of the folder and the shadow of that name are two files, and what was written into one says nothing of the other,
    unless the shadow was copied over: its bytes tell.

    Args:
        root: of the journals.
        folder: the images' own.
        shadow: of the folder.
        is_shadow: of the shadow instead of the folder.
    """
    owned: dict[tuple[bool, str], FieldValues] = {}
    of_shadows: dict[tuple[str, str], FieldValues] = {}
    for entry in (each for run in sidecar_runs(root) for each in run.entries(folder, shadow)):
        place = entry.is_shadow, entry.sidecar
        before = owned.get(place, {})
        if not entry.is_shadow:
            before = of_shadows.get((entry.sidecar, entry.before_sha256), before)
        owned[place] = owned_after(before, entry.added, entry.removed)
        if entry.is_shadow:
            of_shadows[entry.sidecar, entry.after_sha256] = owned[place]
    found = {sidecar: fields for (shadowed, sidecar), fields in owned.items() if shadowed is is_shadow}
    if not is_shadow:
        there = {sidecar: _sha256_there(sidecar, folder) for sidecar in {name for name, _ in of_shadows}}
        found |= {name: of_shadows[name, sha] for name, sha in there.items() if (name, sha) in of_shadows}
    return {sidecar: fields for sidecar, fields in found.items() if fields}


def _lies_there(entry: SidecarEntry, place: SidecarPlace) -> bool:
    return _sha256_there(entry.sidecar, place) == entry.after_sha256


def _sha256_there(sidecar: str, place: SidecarPlace) -> str:
    """Empty where there is none that can be read."""
    try:
        found = place.read(sidecar)
    except PermanentError:
        return ""
    return found.sha256 if found else ""


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        name: {field: tuple(keywords) for field, keywords in record[name].items()}
        for name in ("added", "removed")
    }
    return {**record, **fields}
