"""manifest: every readable image below some directories, once a content. Reads the user's files, never writes beside them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.domain.schemas import REJECTS
from autotag.domain.store_schemas import LISTED_FILES, STORE_FILES, STORE_IMAGES
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.retrieval.listing import Listing, listed_files
from autotag.pipeline.retrieval.look_at_files import STEP, LookAtFilesWorker, limits_fingerprint
from autotag.pipeline.retrieval.units import MOST_IMAGES, UnitFiles, cut_units, reject_table, store_lock
from autotag.pipeline.run_units import Step, run_step
from autotag.storage.fingerprints import fingerprint
from autotag.storage.locks import held
from autotag.storage.removal import remove_tree
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table


@dataclass(frozen=True, slots=True)
class StoreTables:
    """Rows of `STORE_FILES` and `REJECTS` that are known without looking again."""

    files: pa.Table
    rejects: pa.Table


def make_manifest(worker: LookAtFilesWorker, directories: Sequence[UPath]) -> StepCounts:
    """Bring the manifest up to date with these directories; what it knows of others stays.

    Files that did not change since they were last read are not read again; those that are gone leave. Of files with the
    same bytes the first by path stands for all. Counts are of the whole manifest.

    Raises:
        MissingInputError: a directory is not there, or there is no image at all.
        UsageError: the store lies visibly among the images.
        InUseError: another command works on the store.
    """
    store = worker.store
    with held(store_lock(store)):
        listing = listed_files(directories, store)
        elsewhere = _elsewhere(worker, directories)
        known = _known(worker, listing)
        fresh = _without(listing.files, known)
        units = cut_units(store.parts(STEP), fresh, MOST_IMAGES)
        step = Step(STEP, WorkerPlan(LookAtFilesWorker, _arguments(worker)), units, fresh.num_rows)
        counts = run_step(InProcessEngine(), step)
        made = _made(worker, units)
        files = pa.concat_tables([elsewhere.files, known, made.files]).sort_by("file")
        named = reject_table([(path, _unnamable()) for path in listing.unnamable])
        rejects = pa.concat_tables([elsewhere.rejects, made.rejects, named])
        counts.ignored += listing.others
        counts.reused = elsewhere.files.num_rows + known.num_rows
        _commit(worker, files, rejects, counts)
        remove_tree(store.parts(STEP))
    return counts


def _arguments(worker: LookAtFilesWorker) -> tuple[object, ...]:
    return worker.store, worker.limits, worker.threads, worker.max_attempts


def _unnamable() -> RejectedImageError:
    return RejectedImageError("read", "the path is not UTF-8; rename the file or its folder")


def _elsewhere(worker: LookAtFilesWorker, directories: Sequence[UPath]) -> StoreTables:
    """What the store has of files that lie in none of the directories; their copies are found again."""
    store = worker.store
    if read_stamp(store.manifest) is None:
        return StoreTables(STORE_FILES.empty_table(), REJECTS.empty_table())
    files, rejects = read_table(store.files), read_table(store.rejects)
    rejects = rejects.filter(pc.field("stage") != "duplicate")
    return StoreTables(
        files.filter(_outside(files["file"], directories)),
        rejects.filter(_outside(rejects["key"], directories)),
    )


def _outside(paths: pa.ChunkedArray, directories: Sequence[UPath]) -> pa.Array:
    tops = tuple(f"{str(directory).rstrip('/')}/" for directory in directories)
    return pa.array([not path.startswith(tops) for path in paths.to_pylist()], pa.bool_())


def _known(worker: LookAtFilesWorker, listing: Listing) -> pa.Table:
    """Rows of listed files that were read before, by the last command or by one that was killed, and did not change."""
    store, wanted = worker.store, limits_fingerprint(worker.limits)
    directory = store.parts(STEP)
    places = sorted(directory.glob("*.rows.parquet"), key=str) if directory.is_dir() else []
    tables = [STORE_FILES.empty_table()]
    for path in (store.files, *places):
        stamp = read_stamp(path)
        if stamp is not None and stamp.fingerprint == wanted:
            tables.append(read_table(path))
    rows = pa.concat_tables(tables).filter(pc.field("mtime_ns") != 0).sort_by("file")
    rows = rows.filter(_is_first(rows, LISTED_FILES.names))
    return (
        listing.files.join(rows, LISTED_FILES.names, join_type="inner")
        .select(STORE_FILES.names)
        .cast(STORE_FILES)
    )


def _without(listed: pa.Table, known: pa.Table) -> pa.Table:
    """Listed files that are not known, by path."""
    left = listed.join(known.select(["file"]), "file", join_type="left anti")
    return left.cast(LISTED_FILES).sort_by("file")


def _is_first(rows: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Whether each row differs from the one before it in some of these columns."""
    if not rows.num_rows:
        return pa.array([], pa.bool_())
    differs = np.zeros(rows.num_rows, bool)
    differs[0] = True
    for name in columns:
        values = rows[name].to_numpy()
        differs[1:] |= values[1:] != values[:-1]
    return pa.array(differs)


def _made(worker: LookAtFilesWorker, units: Sequence[str]) -> StoreTables:
    files = [UnitFiles(worker.store.parts(STEP), unit) for unit in units]
    return StoreTables(
        pa.concat_tables([STORE_FILES.empty_table(), *(read_table(each.rows) for each in files)]),
        pa.concat_tables([REJECTS.empty_table(), *(read_table(each.rejects) for each in files)]),
    )


def _commit(worker: LookAtFilesWorker, files: pa.Table, rejects: pa.Table, counts: StepCounts) -> None:
    """Files, then rejects, then the manifest, which says that all three are there. Equal tables are not written again."""
    store = worker.store
    images, copies = _by_content(files)
    counts.made, counts.rejected, counts.duplicates = images.num_rows, rejects.num_rows, copies.num_rows
    counts.taken = files.num_rows + rejects.num_rows
    counts.close(STEP)
    if not counts.taken:
        raise MissingInputError(
            "there is no image below these directories; images are files named .jpg, .png, .webp, .gif, .bmp, .tif and the"
            " like, and hidden folders and links are left out"
        )
    rejects = pa.concat_tables([rejects, copies]).sort_by("key")
    state = fingerprint(files=_content(files), rejects=_content(rejects), limits=str(worker.limits))
    extra = {"counts": counts.to_record(), "state": state}
    if all(_state_of(path) == state for path in (store.files, store.rejects, store.manifest)):
        counts.resumed = 1
        return
    limits = limits_fingerprint(worker.limits)
    write_table(store.files, files, STORE_FILES, Stamp("store_files", "", limits, extra))
    write_table(store.rejects, rejects, REJECTS, Stamp("store_rejects", "", state, extra))
    write_table(store.manifest, images, STORE_IMAGES, Stamp("store_images", "", state, extra))


def _state_of(path: UPath) -> object:
    """Which state a table is of: a command that was killed between two leaves them of two."""
    stamp = read_stamp(path)
    return stamp.extra.get("state") if stamp is not None else None


def _content(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _by_content(files: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Images by path, and the rows of rejects that name the other files with their bytes."""
    rows = files.sort_by([("media_id", "ascending"), ("file", "ascending")])
    is_first = _is_first(rows, ["media_id"])
    starts = np.flatnonzero(is_first.to_numpy(zero_copy_only=False))
    counts = np.diff(np.append(starts, rows.num_rows))
    firsts = rows.filter(is_first)
    images = firsts.append_column(STORE_IMAGES.field("files"), pa.array(counts, pa.int32())).sort_by("file")
    kept = np.repeat(np.array(firsts["file"].to_pylist(), object), counts)
    others = ~is_first.to_numpy(zero_copy_only=False)
    copies = [
        (file, RejectedImageError("duplicate", f"same bytes as {same}"))
        for file, same in zip(rows.filter(pa.array(others))["file"].to_pylist(), kept[others], strict=True)
    ]
    return images, reject_table(copies)
