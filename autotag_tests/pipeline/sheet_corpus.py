"""Folders and shards with known pictures, boxes and tags, as the earlier steps would have left them."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from upath import UPath

from autotag.domain.identity import media_id
from autotag.domain.regions import Region, RegionRules, whole_image
from autotag.domain.schemas import EVIDENCE, REJECTS, SOURCE_IMAGES, TARGET_REGIONS, source_embeddings
from autotag.models.specs import ModelSpec
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.region_rows import region_columns
from autotag.storage.images import ImageLimits
from autotag.storage.layout import Layout
from autotag.storage.tables import Stamp, write_table

MODEL_ID = "whole-1+fake-1"
SIZE = (640, 480)
BOX = Region("object", (64, 48, 320, 240), "bird", 0.9)


def plan_in(directory: Path) -> PipelinePlan:
    data = UPath(directory)
    layout = Layout(
        data=data,
        source_shards=data / "shards",
        source_tags=data / "source_tags",
        source_processed=data / "processed",
        reference=data / "reference",
        target=data / "target",
        target_processed=data / "target_processed",
        catalog=data / "catalog",
        runs=data / "runs",
        ingested=data / "ingested",
        model_cache=directory / "cache",
        weights=directory / "weights",
    )
    return PipelinePlan(
        layout=layout,
        detector=ModelSpec("whole"),
        embedder=ModelSpec("fake"),
        model_id=MODEL_ID,
        rules=RegionRules(),
        limits=ImageLimits(),
        batch_images=4,
        max_attempts=1,
        threads=1,
    )


def picture(shade: int, size: tuple[int, int] = SIZE) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (shade % 256, 90, 160)).save(data, "PNG")
    return data.getvalue()


def tag(
    name: str, score: float = 0.8, votes: int = 5, shares: Sequence[tuple[int, float]] = ((0, 1.0),)
) -> dict[str, Any]:
    """A given tag, and its voters: the target region and the share of each."""
    return {"tag": name, "score": score, "votes": votes, "shares": shares}


def tagged_folder(plan: PipelinePlan, key: str, tags: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """One picture a file, each with one object box, tags.json and evidence; an empty list gets a reason."""
    folder = Path(plan.layout.folder(key))
    folder.mkdir(parents=True)
    pictures = {file: picture(number) for number, file in enumerate(tags)}
    for file, data in pictures.items():
        (folder / file).write_bytes(data)
    columns = region_columns(
        [media_id(data) for data in pictures.values()], [[whole_image(*SIZE), BOX]] * len(tags)
    )
    files = [file for file in tags for _ in range(2)]
    table = pa.table({"file": files, **columns, "crop_file": [None] * len(files)}, schema=TARGET_REGIONS)
    write_table(plan.layout.folder_tables(key).regions, table, TARGET_REGIONS, Stamp("target_crops"))
    write_evidence(plan, key, tags)
    write_rejects(plan, key)
    write_tags(plan, key, tags)


def write_evidence(
    plan: PipelinePlan,
    key: str,
    tags: Mapping[str, Sequence[dict[str, Any]]],
    boxes: Sequence[Region] = (BOX,),
) -> None:
    """The votes of each tag: voter n is image `voter<n>` of shard 00000, with similarity 0.9 - n / 10."""
    regions = [whole_image(*SIZE), *boxes]
    rows = [
        {
            "file": file,
            "tag": given["tag"],
            "tag_score": given["score"],
            "region_index": region,
            "box_xyxy_px": list(regions[region].box_xyxy_px),
            "source_region_id": "r",
            "source_media_id": "m",
            "source_shard": "00000",
            "source_key": f"voter{number}",
            "source_box_xyxy_px": [0, 0, 9, 9],
            "similarity": 0.9 - number / 10,
            "share": share,
        }
        for file, all_given in tags.items()
        for given in all_given
        for number, (region, share) in enumerate(given["shares"])
    ]
    table = pa.Table.from_pylist(rows, schema=EVIDENCE)
    write_table(plan.layout.folder_tables(key).evidence, table, EVIDENCE, Stamp("evidence"))


def write_rejects(
    plan: PipelinePlan,
    key: str,
    images: Mapping[str, str] | None = None,
    regions: Mapping[str, str] | None = None,
    embeddings: Mapping[str, str] | None = None,
) -> None:
    """The three tables of rejects: reasons by name."""
    tables = plan.layout.folder_tables(key)
    for path, rejects in (
        (tables.rejects, images),
        (tables.region_rejects, regions),
        (tables.embedding_rejects, embeddings),
    ):
        rows = [
            {"key": name, "offset_bytes": None, "stage": "decode", "reason": reason}
            for name, reason in (rejects or {}).items()
        ]
        write_table(path, pa.Table.from_pylist(rows, schema=REJECTS), REJECTS, Stamp("rejects"))


def write_tags(plan: PipelinePlan, key: str, tags: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    images = [
        {
            "file": file,
            "tags": [{name: each[name] for name in ("tag", "score", "votes")} for each in given],
            **({} if given else {"reason": "too few votes"}),
        }
        for file, given in tags.items()
    ]
    document = {
        "folder": key,
        "model_id": MODEL_ID,
        "index_version": "v1",
        "created_at": "now",
        "images": images,
    }
    path = Path(plan.layout.folder_tables(key).tags)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def embedded_shard(plan: PipelinePlan, shard: str, tags: Mapping[str, Sequence[str]]) -> None:
    """A tar of one picture a key, and its two tables."""
    tar_path = Path(plan.layout.shard(shard))
    tar_path.parent.mkdir(parents=True, exist_ok=True)
    pictures = {key: picture(number + int(shard) * 50) for number, key in enumerate(tags)}
    with tarfile.open(tar_path, "w") as tar:
        for key, data in pictures.items():
            info = tarfile.TarInfo(f"{key}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with tarfile.open(tar_path) as tar:
        offsets = [member.offset_data for member in tar.getmembers()]
    media = [media_id(data) for data in pictures.values()]
    images = {
        "media_id": media,
        "key": list(tags),
        "member": [f"{key}.png" for key in tags],
        "offset_bytes": offsets,
        "size_bytes": [len(data) for data in pictures.values()],
        "width": [SIZE[0]] * len(tags),
        "height": [SIZE[1]] * len(tags),
        "format": ["PNG"] * len(tags),
        "phash": ["0" * 16] * len(tags),
        "tags": [list(given) for given in tags.values()],
        "caption": [None] * len(tags),
    }
    tables = plan.layout.source(plan.model_id)
    write_table(
        tables.images(shard), pa.table(images, schema=SOURCE_IMAGES), SOURCE_IMAGES, Stamp("source_images")
    )
    schema = source_embeddings(2)
    regions = {
        "key": [key for key in tags for _ in range(2)],
        **region_columns(media, [[whole_image(*SIZE), BOX]] * len(tags)),
        "phash": ["0" * 16] * (2 * len(tags)),
        "tags": [list(given) for given in tags.values() for _ in range(2)],
        "embedding": list(np.tile(np.array([[1, 0]], np.float16), (2 * len(tags), 1))),
    }
    write_table(
        tables.embeddings(shard), pa.table(regions, schema=schema), schema, Stamp("source_embeddings")
    )
