"""All that is known of a folder's images, read once for the page: names, suggestions, look-alikes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import is_equal
from autotag.domain.near_duplicates import hashes_of, near_duplicate_groups
from autotag.domain.review_order import look_alikes
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError
from autotag.review.suggestions import Image, Suggestion, read_suggestions
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import iter_batches, read_table

Ints = npt.NDArray[np.int64]

LEAST_COSINE = 0.9
"""Whole images that are this alike and follow each other are judged together."""

ROWS_A_BATCH = 16_384

_VECTOR_COLUMNS = ["file", "media_id", "kind", "embedding"]


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
        members: numbers of the images of each group.
        outdated: sentences for a person: suggestions that are there and are of an earlier state of the folder or of another
            model, with what to do.
        state: of the tables that it was read from; names it where something is kept that was reckoned from it.
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
    outdated: tuple[str, ...] = ()
    state: str = ""

    def group_of(self, number: int) -> list[int]:
        """Numbers of the images that look like this one, itself among them."""
        return self.members[int(self.groups[number])]


def read_folder_view(tables: FolderTables, key: str, model_id: str = "") -> FolderView:
    """Read what there is; suggestions and look-alikes may not have been made yet.

    What was made of a file that is another picture by now counts for nothing.

    Args:
        tables: of the folder.
        key: of the folder.
        model_id: whose suggestions count; empty for the model of the folder's vectors.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    columns = ["file", "media_id", "width", "height", "phash"]
    rows = read_table(tables.images, columns, made_by=f"target_images of {key}")
    images = list(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))
    found = read_suggestions(tables, key, images, model_id)
    groups = _groups(tables, images, rows["phash"].to_pylist())
    members: dict[int, list[int]] = {}
    for number, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(number)
    return FolderView(
        key=key,
        files=[file for file, _ in images],
        media_ids=[media for _, media in images],
        sizes_px=list(zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)),
        suggestions=found.of_images,
        reasons=found.reasons,
        groups=groups,
        has_votes=tables.tags.exists(),
        has_labels=tables.label_scores.exists(),
        members=members,
        outdated=found.outdated,
    )


def _groups(tables: FolderTables, images: Sequence[Image], phashes: list[str]) -> Ints:
    copies = near_duplicate_groups(hashes_of(phashes))
    vectors = _whole_image_vectors(tables, images)
    return copies if vectors is None else look_alikes(copies, vectors, LEAST_COSINE)


def _whole_image_vectors(tables: FolderTables, images: Sequence[Image]) -> npt.NDArray[np.float32] | None:
    """float32 (images, dim), zero for images that were not embedded with these bytes; None where none was."""
    place = {image: number for number, image in enumerate(images)}
    vectors: npt.NDArray[np.float32] | None = None
    try:
        for batch in iter_batches(tables.embeddings, _VECTOR_COLUMNS, ROWS_A_BATCH):
            whole = batch.filter(pa.array(is_equal(batch.column("kind"), "image")))
            found = vectors_from_arrow(whole.column("embedding"))
            if vectors is None:
                vectors = np.zeros((len(images), found.shape[1]), np.float32)
            names = (whole.column(name).to_pylist() for name in ("file", "media_id"))
            for file, media, vector in zip(*names, found, strict=True):
                if (file, media) in place:
                    vectors[place[file, media]] = vector
    except MissingInputError:
        return None
    return vectors
