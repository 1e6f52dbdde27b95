"""All that is known of a folder's images, read once for the page: names, suggestions, look-alikes."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import is_equal
from autotag.domain.near_duplicates import hashes_of, near_duplicate_groups
from autotag.domain.review_order import look_alikes
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError
from autotag.storage.layout import FolderTables
from autotag.storage.tables import iter_batches, read_table

Ints = npt.NDArray[np.int64]

LEAST_COSINE = 0.9
"""Whole images that are this alike and follow each other are judged together."""

ROWS_A_BATCH = 16_384


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag that a machine thought of, whether or not it is believed.

    Attributes:
        tag: the tag.
        source: "vote" or "zero_shot".
        score: of that source.
    """

    tag: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class FolderView:
    """One entry an image, by file name.

    Attributes:
        key: of the folder.
        files: names, relative to the folder.
        media_ids: hex SHA-256 of the bytes.
        sizes_px: width and height.
        suggestions: of both sources, by falling score a source; also those that the vote left undecided.
        reasons: why the vote gave an image nothing; empty where it gave something, or has not been asked.
        groups: smallest image number of each image's look-alikes.
        has_votes: whether the vote has been asked.
        has_labels: whether labels were scored.
    """

    key: str
    files: list[str]
    media_ids: list[str]
    sizes_px: list[tuple[int, int]]
    suggestions: list[tuple[Suggestion, ...]]
    reasons: list[str]
    groups: Ints
    has_votes: bool
    has_labels: bool
    members: dict[int, list[int]] = field(default_factory=dict)

    def group_of(self, number: int) -> list[int]:
        """Numbers of the images that look like this one, itself among them."""
        return self.members[int(self.groups[number])]


def read_folder_view(tables: FolderTables, key: str) -> FolderView:
    """Read what there is; suggestions and look-alikes may not have been made yet.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    columns = ["file", "media_id", "width", "height", "phash"]
    images = read_table(tables.images, columns, made_by=f"target_images of {key}")
    files: list[str] = images["file"].to_pylist()
    votes, reasons = _votes(tables, files)
    labels = _labels(tables, files)
    groups = _groups(tables, files, images["phash"].to_pylist())
    members: dict[int, list[int]] = {}
    for number, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(number)
    return FolderView(
        key=key,
        files=files,
        media_ids=images["media_id"].to_pylist(),
        sizes_px=list(zip(images["width"].to_pylist(), images["height"].to_pylist(), strict=True)),
        suggestions=[(*votes.get(file, ()), *labels.get(file, ())) for file in files],
        reasons=[reasons.get(file, "") for file in files],
        groups=groups,
        has_votes=tables.tags.exists(),
        has_labels=tables.label_scores.exists(),
        members=members,
    )


def _votes(
    tables: FolderTables, files: list[str]
) -> tuple[dict[str, tuple[Suggestion, ...]], dict[str, str]]:
    if not files or not tables.tags.exists():
        return {}, {}
    images = json.loads(tables.tags.read_text(encoding="utf-8"))["images"]
    given = {image["file"]: _by_score([*image["tags"], *image.get("undecided", ())]) for image in images}
    return given, {image["file"]: image["reason"] for image in images if "reason" in image}


def _by_score(tags: list[dict[str, Any]]) -> tuple[Suggestion, ...]:
    """Each tag has a threshold of its own, so an undecided one may have more than a given one."""
    found = [Suggestion(tag["tag"], "vote", tag["score"]) for tag in tags]
    return tuple(sorted(found, key=lambda each: -each.score))


def _labels(tables: FolderTables, files: list[str]) -> dict[str, tuple[Suggestion, ...]]:
    if not files or not tables.label_scores.exists():
        return {}
    rows = read_table(tables.label_scores, ["file", "topk_labels", "topk_scores"])
    return {
        row["file"]: tuple(
            Suggestion(label, "zero_shot", score)
            for label, score in zip(row["topk_labels"], row["topk_scores"], strict=True)
        )
        for row in rows.to_pylist()
    }


def _groups(tables: FolderTables, files: list[str], phashes: list[str]) -> Ints:
    copies = near_duplicate_groups(hashes_of(phashes))
    vectors = _whole_image_vectors(tables, files)
    return copies if vectors is None else look_alikes(copies, vectors, LEAST_COSINE)


def _whole_image_vectors(tables: FolderTables, files: list[str]) -> npt.NDArray[np.float32] | None:
    """float32 (files, dim), zero for images that were not embedded; None where none was."""
    place = {file: number for number, file in enumerate(files)}
    vectors: npt.NDArray[np.float32] | None = None
    try:
        for batch in iter_batches(tables.embeddings, ["file", "kind", "embedding"], ROWS_A_BATCH):
            whole = batch.filter(pa.array(is_equal(batch.column("kind"), "image")))
            found = vectors_from_arrow(whole.column("embedding"))
            if vectors is None:
                vectors = np.zeros((len(files), found.shape[1]), np.float32)
            for file, vector in zip(whole.column("file").to_pylist(), found, strict=True):
                if file in place:
                    vectors[place[file]] = vector
    except MissingInputError:
        return None
    return vectors
