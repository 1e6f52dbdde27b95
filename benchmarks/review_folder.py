"""A folder that is ready for review, as its tables and thumbnails would be: made at random, without models."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from autotag.domain.identity import media_id
from autotag.domain.ledger_entries import Proposal
from autotag.domain.regions import Region
from autotag.domain.schemas import TARGET_IMAGES, label_scores, target_embeddings
from autotag.domain.vectors import normalise, vectors_to_arrow
from autotag.pipeline.region_rows import region_columns, repeat_for_regions
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.folder_tables import FolderTables
from autotag.storage.layout import Layout
from autotag.storage.tables import Stamp, write_table

FOLDER = "many"
LABELS = tuple(f"label {number:02d}" for number in range(40))
TOPK = 5
DIM = 64
PICTURES = 100
"""Different thumbnails; the others are links to them."""


def make_review_folder(layout: Layout, settings: Settings, images: int) -> None:
    """Manifest, vectors, label scores, thumbnails and proposals of a folder of made-up images."""
    files = [f"{number:07d}.jpg" for number in range(images)]
    media = [media_id(file.encode()) for file in files]
    chance = np.random.default_rng(1)
    target = Path(layout.folder(FOLDER).path)
    target.mkdir(parents=True)
    (target / files[0]).write_bytes(_picture(chance, 64))
    tables = layout.folder_tables(FOLDER)
    _write_manifest(tables, files, media, chance)
    _write_vectors(tables, files, media, chance)
    scores = _write_scores(tables, files, media, chance)
    _write_thumbnails(tables, media, settings.review.thumbnail_px, chance)
    proposals = [
        Proposal(media[image], LABELS[label], "zero_shot", float(scores[image, label]))
        for image, label in np.argwhere(scores >= settings.labels.threshold).tolist()
    ]
    with TagLedger.open(ledger_url(settings, layout)) as ledger:
        ledger.propose("made", "made", media, ["zero_shot"], proposals)


def _write_manifest(
    tables: FolderTables, files: list[str], media: list[str], chance: np.random.Generator
) -> None:
    count = len(files)
    rows = {
        "file": files,
        "media_id": media,
        "size_bytes": [100_000] * count,
        "mtime_ns": [0] * count,
        "width": [1600] * count,
        "height": [1200] * count,
        "format": ["JPEG"] * count,
        "phash": [f"{value:016x}" for value in chance.integers(0, 2**63, count).tolist()],
        "taken_at": [None] * count,
    }
    table = pa.table(rows, schema=TARGET_IMAGES)
    write_table(tables.images, table, TARGET_IMAGES, Stamp("target_images", "", "made"))


def _write_vectors(
    tables: FolderTables, files: list[str], media: list[str], chance: np.random.Generator
) -> None:
    regions = [[Region("image", (0, 0, 1600, 1200), "", 1.0)]] * len(files)
    vectors = normalise(chance.standard_normal((len(files), DIM), dtype=np.float32))
    schema = target_embeddings(DIM)
    columns = {
        "file": repeat_for_regions(files, regions),
        **region_columns(media, regions),
        "embedding": vectors_to_arrow(vectors),
    }
    write_table(
        tables.embeddings,
        pa.table(columns, schema=schema),
        schema,
        Stamp("target_embeddings", "made", "made"),
    )


def _write_scores(
    tables: FolderTables, files: list[str], media: list[str], chance: np.random.Generator
) -> np.ndarray:
    scores = chance.uniform(0, 0.3, (len(files), len(LABELS))).astype(np.float32)
    best = np.argsort(-scores, axis=1)[:, :TOPK]
    rows = {
        "file": files,
        "media_id": media,
        "top1": [LABELS[each[0]] for each in best],
        "top1_score": scores[np.arange(len(files)), best[:, 0]],
        "topk_labels": [[LABELS[label] for label in each] for each in best],
        "topk_scores": [scores[row, each].tolist() for row, each in enumerate(best)],
        "over_threshold": [[] for _ in files],
        "image_scores": _lists(scores.astype(np.float16)),
        "scores": _lists(scores.astype(np.float16)),
        "best_region": _lists(np.zeros(scores.shape, np.int16)),
    }
    schema = label_scores(len(LABELS))
    arrays = [pa.array(rows[field.name]).cast(field.type) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    write_table(tables.label_scores, table, schema, Stamp("label_scores", "made", "made"))
    return scores


def _lists(values: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _write_thumbnails(
    tables: FolderTables, media: list[str], long_edge_px: int, chance: np.random.Generator
) -> None:
    Path(tables.thumbnails.path).mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for number, name in enumerate(media):
        path = Path(tables.thumbnail(name, long_edge_px).path)
        if number < PICTURES:
            path.write_bytes(_picture(chance, long_edge_px))
            made.append(path)
        else:
            os.link(made[number % PICTURES], path)


def _picture(chance: np.random.Generator, long_edge_px: int) -> bytes:
    """Blocks of colour: about as many bytes as a photograph of that size."""
    blocks = chance.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize((long_edge_px, long_edge_px * 3 // 4), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
