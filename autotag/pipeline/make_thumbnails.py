"""thumbnails: small pictures of a folder's images for people to look at, one a content, kept as long as it is needed.

What is on disk counts: an image whose thumbnail is there is not opened, whatever became of the run that made it. The
table beside the thumbnails says which image has which, and is what the step's counts are read from.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from upath import UPath

from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.regions import RgbImage
from autotag.domain.schemas import TARGET_THUMBNAILS
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    chunk_journal,
    commit_part,
    join_parts,
    joined_chunk_counts,
    joined_counts,
    part_counts,
    reject_rows,
)
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.file_names import thumbnail_name
from autotag.storage.fingerprints import fingerprint
from autotag.storage.folder_files import read_file
from autotag.storage.images import decode_small
from autotag.storage.removal import keep_only, names_there, remove_file
from autotag.storage.tables import Stamp, read_stamp, read_table, write_bytes

STEP = "thumbnails"

QUALITY = 85
"""JPEG quality: its faults are not seen at this size, and 512 px are some 50 kB."""

_Rejects = dict[str, RejectedImageError]


@dataclass(frozen=True, slots=True)
class _Images:
    """A chunk's rows of the manifest.

    Attributes:
        media: media ids by file, files ascending.
        pixels: what a file holds in memory once it is decoded, by file.
    """

    media: Mapping[str, str]
    pixels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ThumbnailsWorker(Journalled):
    """Makes the thumbnails of one chunk of a folder."""

    plan: PipelinePlan
    long_edge_px: int

    def __call__(self, unit: str) -> StepCounts:
        """Write the thumbnails that are not there, and the chunk's part of the table.

        Raises:
            MissingInputError: the folder is gone, or has no manifest.
        """
        chunk = Chunk.of(unit)
        tables = self.plan.layout.folder_tables(chunk.key)
        joined = thumbnail_tables(self.plan, chunk.key, self.long_edge_px)
        files = ChunkFiles(tables.parts(STEP), chunk)
        images = self._images(tables.images, chunk)
        wanted = {file: thumbnail_name(media, self.long_edge_px) for file, media in images.media.items()}
        there = names_there(tables.thumbnails, wanted.values())
        missing = [file for file, name in wanted.items() if name not in there]
        # A part is newer than what is joined: parts go once they are.
        done = part_counts(files, joined.stamp.fingerprint) or joined_chunk_counts(joined, list(wanted))
        if done and len(missing) == done.rejected:
            return done
        return self._make(files, joined, images, missing)

    def journal(self, unit: str) -> UPath:
        """The chunk's journal of this step."""
        return chunk_journal(self.plan, STEP, unit)

    def _images(self, manifest: UPath, chunk: Chunk) -> _Images:
        rows = read_table(manifest, ["file", "media_id", "width", "height"], made_by="target_images")
        found = rows.slice(chunk.first, chunk.size).to_pylist()
        media = {row["file"]: row["media_id"] for row in found}
        return _Images(media, {row["file"]: row["width"] * row["height"] for row in found})

    def _make(
        self, files: ChunkFiles, joined: JoinedTables, images: _Images, missing: Sequence[str]
    ) -> StepCounts:
        """The missing ones, one file for all of equal bytes; then the part."""
        clock = StageClock()
        copies = _Copies(self.plan.layout.folder(files.chunk.key), images, missing)
        with AttemptJournal(files.journal, joined.stamp.fingerprint, self.plan.max_attempts) as journal:
            rejects = copies.rejects(self._walk(files.chunk.key, copies, journal, clock))
            made = {file: media for file, media in images.media.items() if file not in rejects}
            counts = StepCounts(taken=len(images.media), made=len(made), rejected=len(rejects), units=1)
            counts.reused, counts.stage_ms = len(images.media) - len(missing), clock.ms
            extra = {"counts": counts.close(f"{STEP} of {files.chunk.key}").to_record()}
            stamp = Stamp(STEP, "", joined.stamp.fingerprint, extra)
            commit_part(files, self._rows(made), reject_rows(rejects), stamp)
        return counts

    def _walk(self, key: str, copies: "_Copies", journal: AttemptJournal, clock: StageClock) -> _Rejects:
        """Decode and save; errors by media id."""
        plan, rejects, names = self.plan, _Rejects(), copies.names
        media = [copies.images.media[name] for name in names]
        unit = UnitImages(
            names,
            lambda index: copies.read(names[index]),
            [copies.images.pixels[name] for name in names],
            partial(decode_small, long_edge_px=self.long_edge_px),
        )
        for batch, decoded in walk_unit(unit, plan.limits, journal, clock, plan.batch_images, plan.threads):
            with clock.stage("save"):
                for index, image in zip(batch, decoded, strict=True):
                    if isinstance(image, RejectedImageError):
                        rejects[media[index]] = image
                    else:
                        self._save(key, media[index], image)
        return rejects

    def _save(self, key: str, media: str, image: RgbImage) -> None:
        path = self.plan.layout.folder_tables(key).thumbnail(media, self.long_edge_px)
        write_bytes(path, thumbnail_jpeg(image), durable=False, crowded=True)

    def _rows(self, media: Mapping[str, str]) -> pa.Table:
        names = [thumbnail_name(each, self.long_edge_px) for each in media.values()]
        columns = {"file": list(media), "media_id": list(media.values()), "thumbnail_file": names}
        return pa.table(columns, schema=TARGET_THUMBNAILS)


class _Copies:
    """Files of equal bytes among some of a chunk: one of each stands for all, as long as one of them can be read.

    Attributes:
        images: of the chunk.
        names: the first file of each content, ascending.
    """

    def __init__(self, folder: UPath, images: _Images, files: Sequence[str]) -> None:
        self.images = images
        self._folder = folder
        self._files: dict[str, list[str]] = {}
        for file in files:
            self._files.setdefault(images.media[file], []).append(file)
        self.names = sorted(copies[0] for copies in self._files.values())
        self._unread = _Rejects()

    def read(self, name: str) -> bytes:
        """The bytes of a file, or of the next of its copies that still has them.

        Raises:
            RejectedImageError: none of them can be read.
        """
        media = self.images.media[name]
        for file in self._files[media]:
            try:
                return read_file(self._folder, file, media)
            except RejectedImageError as error:
                self._unread[file] = error
        raise self._unread[name]

    def rejects(self, by_media: Mapping[str, RejectedImageError]) -> _Rejects:
        """Errors of contents, for each file: its own where it has one."""
        return {
            file: self._unread.get(file, by_media[media])
            for media, copies in self._files.items()
            if media in by_media
            for file in copies
        }


def thumbnail_jpeg(image: RgbImage) -> bytes:
    """An image, uint8 (height, width, 3), as the JPEG file of a thumbnail."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def thumbnail_tables(plan: PipelinePlan, key: str, long_edge_px: int) -> JoinedTables:
    """The joined tables of the step.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    tables = plan.layout.folder_tables(key)
    manifest = read_stamp(tables.images)
    if manifest is None:
        raise MissingInputError(f"{tables.images} is not there; materialise target_images of {key} first")
    settings = fingerprint(long_edge_px=long_edge_px, quality=QUALITY, limits=plan.limits)
    stamp = Stamp(STEP, "", fingerprint(images=manifest.fingerprint, settings=settings))
    return JoinedTables(tables.thumbnail_table, tables.thumbnail_rejects, TARGET_THUMBNAILS, stamp, settings)


def finish_thumbnails(plan: PipelinePlan, chunks: list[Chunk], key: str, *, long_edge_px: int) -> StepCounts:
    """Join the chunks, and remove the thumbnails that no image of the folder has any more."""
    tables = plan.layout.folder_tables(key)
    joined = thumbnail_tables(plan, key, long_edge_px)
    _join_again(plan, chunks, joined)
    counts = join_parts(chunks, tables.parts(STEP), joined)
    used = set(read_table(tables.thumbnail_table, ["thumbnail_file"])["thumbnail_file"].to_pylist())
    keep_only(tables.thumbnails, used | {tables.thumbnail_table.name, tables.thumbnail_rejects.name})
    return counts


def _join_again(plan: PipelinePlan, chunks: list[Chunk], joined: JoinedTables) -> None:
    """Where a chunk of a step that is done was made again: give the others their parts back, so that all are joined anew."""
    if not chunks or joined_counts(joined) is None:
        return
    tables = plan.layout.folder_tables(chunks[0].key)
    parts = [ChunkFiles(tables.parts(STEP), chunk) for chunk in chunks]
    left = [part for part in parts if part_counts(part, joined.stamp.fingerprint) is None]
    if len(left) == len(parts):
        return
    files = read_table(tables.images, ["file"], made_by="target_images")["file"]
    for part in left:
        _part_of(joined, part, files.slice(part.chunk.first, part.chunk.size).to_pylist())
    remove_file(joined.rows)


def _part_of(joined: JoinedTables, part: ChunkFiles, names: Sequence[str]) -> None:
    """A chunk's part, from the joined tables."""
    rows = read_table(joined.rows, span=("file", names[0], names[-1]))
    mine = set(names)
    rejects = [row for row in read_table(joined.rejects).to_pylist() if row["key"] in mine]
    counts = StepCounts(taken=len(names), made=len(rows), rejected=len(rejects), units=1, reused=len(rows))
    extra = {"counts": counts.close(f"{STEP} of {part.chunk.key}").to_record()}
    stamp = Stamp(STEP, "", joined.stamp.fingerprint, extra)
    commit_part(part, rows.select(joined.schema.names), rejects, stamp)
