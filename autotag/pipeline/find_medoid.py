"""folder_medoid: the image that stands for a folder, and one CSV of all folders' medoids."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import is_equal
from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_path
from autotag.domain.medoid import medoid
from autotag.domain.vectors import vectors_from_arrow
from autotag.pipeline.folder_embeddings import embeddings_stamp, refuse_stale_embeddings
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.review.sheet.columns import guarded, unguarded
from autotag.storage.folder_files import printable
from autotag.storage.folder_tables import RESULT_NAMES
from autotag.storage.layout import Layout
from autotag.storage.locks import held, medoids_lock
from autotag.storage.removal import remove_file
from autotag.storage.roots import is_local
from autotag.storage.tables import iter_batches, write_bytes, write_text

COLUMNS = ("folder", "medoid_rel_path", "cosine_to_centroid")
NO_IMAGES = "the folder has no embedded images, so none stands for it"


def find_medoid(plan: PipelinePlan, key: str, reached: Reached = nobody) -> StepCounts:
    """Write medoid.json of a folder, then the CSV of all folders. A folder without images has none, which is a note.

    The CSV has the folders with a medoid of this model, by folder; RFC 4180, UTF-8. `medoid_rel_path` is relative to the
    target root. A cell that a spreadsheet program would take for a formula gets an apostrophe before it, as in the review
    sheet.

    Args:
        plan: where things are, and which model.
        key: of the folder.
        reached: told how many images' vectors have been read.

    Raises:
        MissingInputError: the folder has no embeddings, or they are of an earlier state of the folder.
        ModelMismatchError: the folder was embedded with another model.
        PermanentError: the folder's embeddings are damaged.
        InUseError: another process writes the CSV, and does not come to an end.
    """
    embedded = embeddings_stamp(plan, key)
    made_from = embedded.fingerprint
    path = plan.layout.folder_tables(key).medoid
    known = _read(path)
    if known.get("made_from") == made_from and _row(known) in _listed(plan.layout, plan.model_id).rows:
        images = int(known["images"])
        return StepCounts(taken=images, made=images, units=1, resumed=1)
    images = StepCounts(**embedded.extra["counts"]).made
    reached(0, images)
    rows = _whole_images(plan, key, lambda done: reached(done, images))
    files = rows["file"].to_pylist()
    found = medoid(_vectors(rows), files)
    counts = StepCounts(taken=len(files), made=len(files), units=1)
    if found is None:
        remove_file(path)
        counts.notes.append(NO_IMAGES)
        document = None
    else:
        document = {
            "folder": key,
            "file": files[found.index],
            "media_id": rows["media_id"][found.index].as_py(),
            "cosine_to_centroid": round(found.cosine, 6),
            "images": len(files),
            "model_id": plan.model_id,
            "made_from": made_from,
        }
        write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    _put(plan, key, document)
    return counts


def _put(plan: PipelinePlan, key: str, document: dict[str, Any] | None) -> None:
    """Put a folder's row in its place in the CSV, or take it out; others are looked at only where the CSV is of no use."""
    layout = plan.layout
    with held(medoids_lock(layout)):
        listed = _listed(layout, plan.model_id)
        if not listed.is_known:
            _rewrite(layout, plan.model_id)
            return
        folder = guarded(printable(folder_path(key)))
        rows = [row for row in listed.rows if row[0] != folder]
        _write(layout, plan.model_id, [*rows, _row(document)] if document else rows)


def _rewrite(layout: Layout, model_id: str) -> None:
    found = (_read(path) for path in _medoid_files(layout.target_processed))
    _write(layout, model_id, [_row(each) for each in found if each.get("model_id") == model_id])


def _write(layout: Layout, model_id: str, rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(sorted(rows, key=_folder))
    data = text.getvalue().encode("utf-8")
    write_bytes(layout.medoids, data)
    write_text(layout.medoids_state, _state(model_id, data), durable=False)


def _folder(row: list[str]) -> str:
    return unguarded(row[0])


def _state(model_id: str, data: bytes) -> str:
    return f"{model_id} {hashlib.sha256(data).hexdigest()}"


def _row(document: dict[str, Any]) -> list[str]:
    folder = printable(folder_path(document["folder"]))
    cells = [folder, f"{folder}/{document['file']}"]
    return [*map(guarded, cells), f"{document['cosine_to_centroid']:.6f}"]


class _Listed(NamedTuple):
    """The CSV as it is: whether it is whole and of the model; its rows, none where it is not."""

    is_known: bool
    rows: list[list[str]]


def _listed(layout: Layout, model_id: str) -> _Listed:
    try:
        data, state = layout.medoids.read_bytes(), layout.medoids_state.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return _Listed(False, [])
    if state != _state(model_id, data):
        return _Listed(False, [])
    return _Listed(True, list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))[1:])


def _whole_images(plan: PipelinePlan, key: str, read: Callable[[int], None]) -> pa.Table:
    """Rows of the whole images: file, media_id, embedding; the vectors of objects are not kept."""
    path = plan.layout.folder_tables(key).embeddings
    columns, images = ["file", "media_id", "kind", "embedding"], 0
    batches = []
    check, made_by = refuse_stale_embeddings(plan, key), f"target_embeddings of {key}"
    for batch in iter_batches(path, columns, check=check, made_by=made_by):
        batches.append(batch.filter(pa.array(is_equal(batch["kind"], "image"))))
        images += len(batches[-1])
        read(images)
    return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in columns})


def _vectors(rows: pa.Table) -> npt.NDArray[np.float32]:
    """float32 (n, dim), unit L2 norm."""
    return vectors_from_arrow(rows["embedding"]) if len(rows) else np.zeros((0, 0), np.float32)


def _read(path: UPath) -> dict[str, Any]:
    """A medoid.json; nothing where there is none, or one that cannot be read, which the folder's next run replaces."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = {"folder", "file", "cosine_to_centroid", "images", "model_id"}
    return document if isinstance(document, dict) and wanted <= document.keys() else {}


def _medoid_files(root: UPath) -> Iterator[UPath]:
    """All folders' medoid.json. Crops and thumbnails are not walked through: there are very many."""
    if not is_local(root):
        for name in root.fs.find(root.path):
            if name.endswith("/medoid.json"):
                yield root / name.removeprefix(root.path.rstrip("/") + "/")
        return
    for directory, names, files in os.walk(root.path):
        if directory != root.path:  # a folder of such a name lies only directly below the root
            names[:] = [name for name in names if name not in RESULT_NAMES]
        if "medoid.json" in files:
            yield UPath(Path(directory) / "medoid.json")
