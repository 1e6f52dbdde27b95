"""target_crops: detects the regions of a folder's images and saves their crops for people to look at."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.compute.kernel import Decoded, find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.domain.identity import detector_of
from autotag.domain.regions import Region, RgbImage, cut
from autotag.domain.schemas import TARGET_REGIONS
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.make_part import PartRecipe, make_part
from autotag.pipeline.plan import PipelinePlan, loaded_detector
from autotag.pipeline.region_rows import region_columns, repeat_for_regions
from autotag.pipeline.target_parts import (
    Chunk,
    ChunkFiles,
    JoinedTables,
    chunk_journal,
    join_parts,
    joined_chunk_counts,
    part_counts,
)
from autotag.pipeline.unit_walk import UnitImages
from autotag.storage.file_names import crop_name
from autotag.storage.fingerprints import fingerprint
from autotag.storage.folder_files import read_file
from autotag.storage.removal import keep_only
from autotag.storage.tables import Stamp, read_stamp, read_table, write_bytes

STEP = "target_crops"


@dataclass(frozen=True, slots=True)
class CropForm:
    """How crops are saved: JPEG quality, and the long edge they are shrunk to."""

    long_edge_px: int
    quality: int


@dataclass(frozen=True, slots=True)
class TargetCropsWorker(Journalled):
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
        images = read_table(tables.images, ["file", "media_id", "width", "height"], made_by="target_images")
        rows = images.slice(chunk.first, chunk.size).to_pylist()
        done = joined_chunk_counts(joined, [row["file"] for row in rows])
        files = ChunkFiles(tables.parts(STEP), chunk)
        done = done or part_counts(files, joined.stamp.fingerprint)
        return done or make_part(self.plan, files, joined, self._recipe(chunk.key, rows))

    def journal(self, unit: str) -> UPath:
        """The chunk's journal of this step."""
        return chunk_journal(self.plan, STEP, unit)

    def _recipe(self, key: str, rows: list[dict[str, Any]]) -> PartRecipe[str, list[Region]]:
        """Media ids in, regions out; crops are saved on the way."""
        plan, folder = self.plan, self.plan.layout.folder(key)
        crops = plan.layout.folder_tables(key).crops
        media = {row["file"]: row["media_id"] for row in rows}
        pixels = {row["file"]: row["width"] * row["height"] for row in rows}

        def images(names: list[str]) -> UnitImages:
            return UnitImages(
                names,
                lambda index: read_file(folder, names[index], media[names[index]]),
                [pixels[name] for name in names],
            )

        def make(
            names: list[str], decoded: Sequence[Decoded], clock: StageClock
        ) -> Sequence[list[Region] | RejectedImageError]:
            answers = find_regions(loaded_detector(plan.detector), decoded, plan.rules, clock)
            with clock.stage("save"):
                for name, image, found in zip(names, decoded, answers, strict=True):
                    if not isinstance(image, RejectedImageError) and not isinstance(
                        found, RejectedImageError
                    ):
                        _save_crops(crops, name, image, found, self.form)
            return answers

        return PartRecipe(media, _media_ids, images, make, lambda kept: _region_table(kept, media))


def _media_ids(rows: pa.Table) -> dict[str, str]:
    return dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))


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


def _region_table(kept: Mapping[str, list[Region]], media: Mapping[str, str]) -> pa.Table:
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
