"""target_images: the manifest of a folder. Reads the user's files, never writes beside them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.domain.schemas import REJECTS, TARGET_IMAGES
from autotag.errors import PermanentError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import fingerprint
from autotag.storage.folder_files import (
    IMAGE_SUFFIXES,
    FolderFile,
    folder_signature,
    list_files,
    printable,
    read_file,
)
from autotag.storage.images import ImageLimits, probe_image, quick_perceptual_hash
from autotag.storage.removal import remove_tree
from autotag.storage.tables import Stamp, is_current, read_schema, read_stamp, read_table, write_table

STEP = "target_images"

FILES_A_NOTE = 512
"""Files that stand in the journal together; the threads wait for each other between two notes."""

_Answer = dict[str, Any] | RejectedImageError | None
_Known = dict[tuple[str, int, int], dict[str, Any]]
"""Rows of the last manifest by name, size and time of change."""


def list_target_images(plan: PipelinePlan, key: str) -> StepCounts:
    """Write the folder's images and rejects; files that did not change since the last time are not read again.

    Raises:
        MissingInputError: the folder is not there.
    """
    (result,) = InProcessEngine().run(WorkerPlan(TargetImagesWorker, (plan,)), [key])
    if result.counts is None:
        raise result.error or PermanentError(f"target_images of {key} came to nothing")
    return result.counts


@dataclass(frozen=True, slots=True)
class TargetImagesWorker(Journalled):
    """Makes the manifest of a folder."""

    plan: PipelinePlan

    def __call__(self, key: str) -> StepCounts:
        """See `list_target_images`."""
        folder, tables = self.plan.layout.folder(key), self.plan.layout.folder_tables(key)
        files = list_files(folder)
        made_from = fingerprint(files=folder_signature(files), limits=self.plan.limits)
        stamp = read_stamp(tables.images)
        # One of earlier columns is made anew, under its old fingerprint: what was made from its other columns stays as it is.
        whole = stamp if stamp and read_schema(tables.images).names == TARGET_IMAGES.names else None
        if whole and whole.fingerprint == made_from and is_current(tables.rejects, made_from):
            counts = StepCounts.from_record(whole.extra["counts"])
        else:
            known = _known_rows(tables.images, whole, self.plan.limits)
            with AttemptJournal(self.journal(key), made_from, self.plan.max_attempts) as journal:
                answers = self._look_at_all(folder, files, known, journal)
                counts = self._write(key, files, answers, made_from, known)
        remove_tree(tables.parts(STEP))
        return counts

    def journal(self, unit: str) -> UPath:
        """The folder's journal of this step."""
        return self.plan.layout.folder_tables(unit).parts(STEP) / "journal.json"

    def _look_at_all(
        self, folder: UPath, files: list[FolderFile], known: _Known, journal: AttemptJournal
    ) -> list[_Answer]:
        """One answer a file, in order; files that are looked into stand in the journal while they are."""
        answers: list[_Answer] = [known.get((file.name, file.size_bytes, file.mtime_ns)) for file in files]
        fresh: list[int] = []
        condemned = outlived = 0
        for index, file in enumerate(files):
            if journal.is_condemned(file.name):
                answers[index] = journal.refusal()
                condemned += 1
            elif answers[index] is None:
                fresh.append(index)
        names = [files[index].name for index in fresh]
        with ThreadPoolExecutor(max(2, self.plan.threads)) as pool:
            for batch in journal.batches(names, FILES_A_NOTE):
                journal.take([names[i] for i in batch], batch[0], len(names), outlived)
                wanted = [fresh[i] for i in batch]
                found = pool.map(lambda index: _look(folder, files[index], self.plan.limits), wanted)
                for index, answer in zip(wanted, found, strict=True):
                    answers[index] = answer
                    outlived += isinstance(answer, dict)
        journal.refuse_to_blame_all(condemned, outlived)
        journal.take((), len(names), len(names), outlived)
        return answers

    def _write(
        self, key: str, files: list[FolderFile], answers: list[_Answer], made_from: str, known: _Known
    ) -> StepCounts:
        tables = self.plan.layout.folder_tables(key)
        rows = [answer for answer in answers if isinstance(answer, dict)]
        rejects = [
            {
                "key": printable(file.name),
                "offset_bytes": None,
                "stage": answer.stage,
                "reason": answer.reason,
            }
            for file, answer in zip(files, answers, strict=True)
            if isinstance(answer, RejectedImageError)
        ]
        counts = StepCounts(taken=len(files) - answers.count(None), ignored=answers.count(None), units=1)
        counts.made, counts.rejected = len(rows), len(rejects)
        counts.reused = sum(1 for row in rows if _identity(row) in known)
        counts.close(f"target_images of {key}")
        extra = {
            "counts": counts.to_record(),
            "limits": str(self.plan.limits),
            "signature": folder_signature(files),
        }
        stamp = Stamp(STEP, "", made_from, extra)
        write_table(tables.rejects, pa.Table.from_pylist(rejects, schema=REJECTS), REJECTS, stamp)
        write_table(tables.images, pa.Table.from_pylist(rows, schema=TARGET_IMAGES), TARGET_IMAGES, stamp)
        return counts


def _look(folder: UPath, file: FolderFile, limits: ImageLimits) -> _Answer:
    """A row, a reject, or None for a file that is no image."""
    named_as_image = PurePosixPath(file.name).suffix.lower() in IMAGE_SUFFIXES
    try:
        if printable(file.name) != file.name:
            raise RejectedImageError("read", "the name is not UTF-8; rename the file")
        if file.size_bytes > limits.max_bytes:
            raise RejectedImageError(
                "read", f"{file.size_bytes} bytes, more than the {limits.max_bytes} allowed"
            )
        data = read_file(folder, file.name)
        header = probe_image(data, limits)
        phash = quick_perceptual_hash(data, limits)
    except RejectedImageError as error:
        return error if named_as_image else None
    return {
        "file": file.name,
        "media_id": media_id(data),
        "size_bytes": file.size_bytes,
        "mtime_ns": file.mtime_ns,
        "width": header.width,
        "height": header.height,
        "format": header.format,
        "phash": phash,
        "taken_at": header.taken_at,
    }


def _known_rows(path: UPath, stamp: Stamp | None, limits: ImageLimits) -> _Known:
    if stamp is None or stamp.extra.get("limits") != str(limits):
        return {}
    try:
        rows = read_table(path).to_pylist()
    except PermanentError:  # damaged: it is made anew
        return {}
    return {_identity(row): row for row in rows if row["mtime_ns"]}


def _identity(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["file"], row["size_bytes"], row["mtime_ns"]
