"""Reads files that may be images: content hash, size in pixels, perceptual hash. Needs no model."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.domain.schemas import REJECTS
from autotag.domain.store_schemas import STORE_FILES
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.retrieval.units import UnitFiles, reject_table
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import fingerprint
from autotag.storage.folder_files import IMAGE_SUFFIXES, read_file
from autotag.storage.images import ImageLimits, probe_image, quick_perceptual_hash
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table

STEP = "manifest"

FILES_A_NOTE = 128
"""Files that stand in the journal together; the threads wait for each other between two notes."""

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LookAtFilesWorker(Journalled):
    """Makes the rows of one unit's files."""

    store: StoreLayout
    limits: ImageLimits
    threads: int
    max_attempts: int

    def __call__(self, unit: str) -> StepCounts:
        """Write rows and rejects of the unit; rows that are there are the whole unit's."""
        files = self._files(unit)
        stamp = read_stamp(files.rows)
        if stamp is not None and stamp.fingerprint == limits_fingerprint(self.limits):
            return StepCounts.from_record(stamp.extra["counts"])
        listed = read_table(files.todo).to_pylist()
        with AttemptJournal(files.journal, unit, self.max_attempts) as journal:
            answers = self._look_at_all(listed, journal)
            return self._write(files, listed, answers)

    def journal(self, unit: str) -> UPath:
        """The unit's journal."""
        return self._files(unit).journal

    def _files(self, unit: str) -> UnitFiles:
        return UnitFiles(self.store.parts(STEP), unit)

    def _look_at_all(
        self, listed: list[_Row], journal: AttemptJournal
    ) -> list[_Row | RejectedImageError | None]:
        """One answer a file, in order; None for one that is no image."""
        answers: list[_Row | RejectedImageError | None] = [None] * len(listed)
        condemned = {i for i, row in enumerate(listed) if journal.is_condemned(row["file"])}
        for index in condemned:
            answers[index] = journal.refusal()
        fresh = [index for index in range(len(listed)) if index not in condemned]
        names, outlived = [listed[index]["file"] for index in fresh], 0
        with ThreadPoolExecutor(max(1, self.threads)) as pool:
            for batch in journal.batches(names, FILES_A_NOTE):
                journal.take([names[place] for place in batch], batch[0], len(names), outlived)
                wanted = [fresh[place] for place in batch]
                found = pool.map(lambda index: look_at(listed[index], self.limits), wanted)
                for index, answer in zip(wanted, found, strict=True):
                    answers[index] = answer
                    outlived += isinstance(answer, dict)
        journal.refuse_to_blame_all(len(condemned), outlived)
        journal.take((), len(names), len(names), outlived)
        return answers

    def _write(
        self, files: UnitFiles, listed: list[_Row], answers: list[_Row | RejectedImageError | None]
    ) -> StepCounts:
        rows = [answer for answer in answers if isinstance(answer, dict)]
        rejects = [
            (row["file"], answer)
            for row, answer in zip(listed, answers, strict=True)
            if isinstance(answer, RejectedImageError)
        ]
        counts = StepCounts(taken=len(rows) + len(rejects), ignored=answers.count(None), units=1)
        counts.made, counts.rejected = len(rows), len(rejects)
        made_from = limits_fingerprint(self.limits)
        stamp = Stamp("store_files", "", made_from, {"counts": counts.close(STEP).to_record()})
        write_table(files.rejects, reject_table(rejects), REJECTS, stamp)
        write_table(files.rows, pa.Table.from_pylist(rows, schema=STORE_FILES), STORE_FILES, stamp)
        return counts


def look_at(listed: _Row, limits: ImageLimits) -> _Row | RejectedImageError | None:
    """The row of a file, why it cannot be used, or None for one that is no image nor named like one."""
    path, size_bytes = UPath(listed["file"]), listed["size_bytes"]
    try:
        if size_bytes > limits.max_bytes:
            raise RejectedImageError("read", f"{size_bytes} bytes, more than the {limits.max_bytes} allowed")
        data = read_file(path.parent, path.name)
        header, phash = probe_image(data, limits), quick_perceptual_hash(data, limits)
    except MissingInputError as error:
        return RejectedImageError("read", str(error))
    except RejectedImageError as error:
        return error if PurePosixPath(path.name).suffix.lower() in IMAGE_SUFFIXES else None
    return {
        **listed,
        "media_id": media_id(data),
        "width": header.width,
        "height": header.height,
        "format": header.format,
        "phash": phash,
    }


def limits_fingerprint(limits: ImageLimits) -> str:
    """Rows are as good as new while this and their files are the same."""
    return fingerprint(limits=str(limits))
