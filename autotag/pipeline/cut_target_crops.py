"""target_crops: detects the regions of a folder's images and saves their crops for people to look at."""

import io
from dataclasses import asdict, dataclass

import pyarrow as pa
from upath import UPath

from autotag.compute.kernel import find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.identity import detector_of
from autotag.domain.regions import Region, RgbImage, cut
from autotag.domain.schemas import TARGET_REGIONS
from autotag.errors import RejectedImageError
from autotag.pipeline.list_target_images import read_file
from autotag.pipeline.plan import PipelinePlan, loaded_detector
from autotag.pipeline.region_rows import region_columns, repeat_for_regions
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    commit_part,
    join_parts,
    joined_counts,
    part_counts,
)
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import fingerprint
from autotag.storage.layout import crop_name
from autotag.storage.tables import Stamp, read_stamp, read_table, write_bytes

STEP = "target_crops"


@dataclass(frozen=True, slots=True)
class CropForm:
    """How crops are saved: JPEG quality, and the long edge they are shrunk to."""

    long_edge_px: int
    quality: int


@dataclass(frozen=True, slots=True)
class TargetCropsWorker:
    """Detects and cuts one chunk of a folder."""

    plan: PipelinePlan
    form: CropForm

    def __call__(self, unit: str) -> StepCounts:
        """Write the chunk's crops and its part of the regions table.

        Raises:
            MissingInputError: the folder is gone, or has no manifest.
        """
        chunk = Chunk.of(unit)
        files = ChunkFiles(self.plan.layout.folder_tables(chunk.key).parts(STEP), chunk)
        made_from = crops_fingerprint(self.plan, chunk.key, self.form)
        done = part_counts(files, made_from)
        return done or self._cut(chunk, files, made_from)

    def _cut(self, chunk: Chunk, files: ChunkFiles, made_from: str) -> StepCounts:
        plan, clock = self.plan, StageClock()
        tables, folder = plan.layout.folder_tables(chunk.key), plan.layout.folder(chunk.key)
        images = read_table(tables.images).slice(chunk.first, chunk.size)
        names, media = images["file"].to_pylist(), images["media_id"].to_pylist()
        detector = loaded_detector(plan.detector)
        journal = AttemptJournal(files.journal, plan.run_id, plan.max_attempts)
        unit = UnitImages(names, lambda index: read_file(folder, names[index]))
        kept: list[tuple[str, str, list[Region]]] = []
        rejects: list[dict[str, object]] = []
        for batch, decoded in walk_unit(unit, plan.limits, journal, clock, plan.batch_images, plan.threads):
            answers = find_regions(detector, decoded, plan.rules, clock)
            for index, image, found in zip(batch, decoded, answers, strict=True):
                if isinstance(found, RejectedImageError) or isinstance(image, RejectedImageError):
                    error = found if isinstance(found, RejectedImageError) else image
                    rejects.append(_reject(names[index], error))
                    continue
                with clock.stage("save"):
                    _save_crops(tables.crops, names[index], image, found, self.form)
                kept.append((names[index], media[index], found))
        counts = StepCounts(taken=len(names), made=len(kept), rejected=len(rejects), units=1, stage_ms=clock.ms)
        counts.regions = sum(len(found) for _, _, found in kept)
        extra = {"counts": counts.close(f"target_crops of {chunk.key}").to_record()}
        commit_part(files, _region_table(kept), rejects, Stamp(STEP, plan.model_id, made_from, extra))
        journal.finish()
        return counts


def crops_fingerprint(plan: PipelinePlan, key: str, form: CropForm) -> str:
    """What the regions of a folder are made from."""
    manifest = read_stamp(plan.layout.folder_tables(key).images)
    return fingerprint(
        images=manifest.fingerprint if manifest else "",
        detector=detector_of(plan.model_id),
        rules=asdict(plan.rules),
        form=asdict(form),
    )


def crops_tables(plan: PipelinePlan, key: str, form: CropForm) -> JoinedTables:
    """The joined tables of the step."""
    tables = plan.layout.folder_tables(key)
    stamp = Stamp(STEP, plan.model_id, crops_fingerprint(plan, key, form))
    return JoinedTables(tables.regions, tables.region_rejects, TARGET_REGIONS, stamp)


def finish_target_crops(plan: PipelinePlan, chunks: list[Chunk], key: str, *, form: CropForm) -> StepCounts:
    """Join the chunks and remove the crops of files that are no longer there."""
    tables = plan.layout.folder_tables(key)
    joined = crops_tables(plan, key, form)
    counts = joined_counts(joined) or join_parts(plan, chunks, tables.parts(STEP), joined)
    kept = set(read_table(tables.regions, ["file"])["file"].to_pylist())
    if tables.crops.is_dir():
        for entry in tables.crops.iterdir():
            if entry.name not in kept:
                entry.fs.rm(entry.path, recursive=True)
    return counts


def _save_crops(directory: UPath, file: str, image: RgbImage, regions: list[Region], form: CropForm) -> None:
    from PIL import Image

    old = directory / file
    if old.is_dir():
        old.fs.rm(old.path, recursive=True)
    for index, region in enumerate(regions):
        if region.kind == "image":
            continue
        picture = Image.fromarray(cut(image, region))
        picture.thumbnail((form.long_edge_px, form.long_edge_px))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=form.quality)
        write_bytes(directory / crop_name(file, index), data.getvalue())


def _region_table(kept: list[tuple[str, str, list[Region]]]) -> pa.Table:
    regions = [found for _, _, found in kept]
    files = repeat_for_regions([file for file, _, _ in kept], regions)
    columns = region_columns([media for _, media, _ in kept], regions)
    names = [
        None if kind == "image" else crop_name(file, index)
        for file, kind, index in zip(files, columns["kind"], columns["region_index"], strict=True)
    ]
    return pa.table({"file": files, **columns, "crop_file": names}, schema=TARGET_REGIONS)


def _reject(name: str, error: RejectedImageError) -> dict[str, object]:
    return {"key": name, "offset_bytes": None, "stage": error.stage, "reason": error.reason}
