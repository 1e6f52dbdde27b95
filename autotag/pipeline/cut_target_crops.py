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
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.list_target_images import read_file
from autotag.pipeline.plan import PipelinePlan, loaded_detector
from autotag.pipeline.region_rows import region_columns, repeat_for_regions
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    commit_part,
    earlier_rows,
    join_parts,
    joined_chunk_counts,
    merge_rows,
    part_counts,
    reject_rows,
)
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import fingerprint
from autotag.storage.layout import crop_name
from autotag.storage.removal import keep_only
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

        Images that did not change since the last finished table keep their rows and crops.

        Raises:
            MissingInputError: the folder is gone, or has no manifest.
        """
        chunk = Chunk.of(unit)
        tables = self.plan.layout.folder_tables(chunk.key)
        joined = crops_tables(self.plan, chunk.key, self.form)
        images = read_table(tables.images, ["file", "media_id"], made_by="target_images")
        images = images.slice(chunk.first, chunk.size)
        media = dict(zip(images["file"].to_pylist(), images["media_id"].to_pylist(), strict=True))
        done = joined_chunk_counts(joined, list(media))
        files = ChunkFiles(tables.parts(STEP), chunk)
        return done or part_counts(files, joined.stamp.fingerprint) or self._cut(files, media, joined)

    def _cut(self, files: ChunkFiles, media: dict[str, str], joined: JoinedTables) -> StepCounts:
        clock = StageClock()
        earlier = earlier_rows(joined, list(media))
        of_media = dict(zip(earlier["file"].to_pylist(), earlier["media_id"].to_pylist(), strict=True))
        reused = [name for name in media if of_media.get(name) == media[name]]
        journal = AttemptJournal(files.journal, self.plan.run_id, self.plan.max_attempts)
        fresh = [name for name in media if name not in set(reused)]
        kept, rejects = self._find({name: media[name] for name in fresh}, files.chunk.key, journal, clock)
        counts = StepCounts(taken=len(media), made=len(kept) + len(reused), rejected=len(rejects), units=1)
        table = merge_rows(_region_table(kept, media), earlier, reused)
        counts.reused, counts.regions, counts.stage_ms = len(reused), table.num_rows, clock.ms
        extra = {"counts": counts.close(f"target_crops of {files.chunk.key}").to_record()}
        stamp = Stamp(STEP, self.plan.model_id, joined.stamp.fingerprint, extra)
        commit_part(files, table, reject_rows(rejects), stamp)
        journal.finish()
        return counts

    def _find(
        self, media: dict[str, str], key: str, journal: AttemptJournal, clock: StageClock
    ) -> tuple[dict[str, list[Region]], dict[str, RejectedImageError]]:
        """Detect, and save the crops: regions and rejects by file."""
        plan, folder, names = self.plan, self.plan.layout.folder(key), list(media)
        crops = plan.layout.folder_tables(key).crops
        sizes = read_table(plan.layout.folder_tables(key).images, ["file", "width", "height"]).to_pylist()
        pixels = {row["file"]: row["width"] * row["height"] for row in sizes}
        unit = UnitImages(
            names,
            lambda index: read_file(folder, names[index], media[names[index]]),
            [pixels[name] for name in names],
        )
        kept: dict[str, list[Region]] = {}
        rejects: dict[str, RejectedImageError] = {}
        for batch, decoded in walk_unit(unit, plan.limits, journal, clock, plan.batch_images, plan.threads):
            answers = find_regions(loaded_detector(plan.detector), decoded, plan.rules, clock)
            for index, image, found in zip(batch, decoded, answers, strict=True):
                if isinstance(image, RejectedImageError):
                    rejects[names[index]] = image
                elif isinstance(found, RejectedImageError):
                    rejects[names[index]] = found
                else:
                    with clock.stage("save"):
                        _save_crops(crops, names[index], image, found, self.form)
                    kept[names[index]] = found
        return kept, rejects


def crops_tables(plan: PipelinePlan, key: str, form: CropForm) -> JoinedTables:
    """The joined tables of the step.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    tables = plan.layout.folder_tables(key)
    manifest = read_stamp(tables.images)
    if manifest is None:
        raise MissingInputError(f"{tables.images} is not there; materialise target_images of {key} first")
    settings = fingerprint(detector=detector_of(plan.model_id), rules=asdict(plan.rules), form=asdict(form))
    made_from = fingerprint(images=manifest.fingerprint, settings=settings)
    stamp = Stamp(STEP, plan.model_id, made_from, {"images": manifest.fingerprint})
    return JoinedTables(tables.regions, tables.region_rejects, TARGET_REGIONS, stamp, settings)


def finish_target_crops(plan: PipelinePlan, chunks: list[Chunk], key: str, *, form: CropForm) -> StepCounts:
    """Join the chunks, and remove the crops that no region refers to any more."""
    tables = plan.layout.folder_tables(key)
    counts = join_parts(chunks, tables.parts(STEP), crops_tables(plan, key, form))
    keep_only(tables.crops, set(read_table(tables.regions, ["crop_file"])["crop_file"].to_pylist()))
    return counts


def _save_crops(directory: UPath, file: str, image: RgbImage, regions: list[Region], form: CropForm) -> None:
    from PIL import Image

    for index, region in enumerate(regions):
        if region.kind == "image":
            continue
        picture = Image.fromarray(cut(image, region))
        picture.thumbnail((form.long_edge_px, form.long_edge_px))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=form.quality)
        write_bytes(directory / crop_name(file, index, region.box_xyxy_px), data.getvalue(), durable=False)


def _region_table(kept: dict[str, list[Region]], media: dict[str, str]) -> pa.Table:
    regions = list(kept.values())
    files = repeat_for_regions(list(kept), regions)
    columns = region_columns([media[file] for file in kept], regions)
    names = [
        None if kind == "image" else crop_name(file, index, box)
        for file, kind, index, box in zip(
            files, columns["kind"], columns["region_index"], columns["box_xyxy_px"], strict=True
        )
    ]
    return pa.table({"file": files, **columns, "crop_file": names}, schema=TARGET_REGIONS)
