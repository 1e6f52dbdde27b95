"""What explains a region: a voter, a label, or that somebody made its cluster a tag."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import codes, is_in
from autotag.domain.identity import folder_path
from autotag.domain.ledger_entries import Standing
from autotag.domain.near_duplicates import Hashes, hashes_of
from autotag.domain.unexplained import regions_of, unexplained
from autotag.errors import MissingInputError
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_stamp, read_table

QUERIES_AT_ONCE = 4096

Nearest = Callable[[Vectors, Hashes], npt.NDArray[np.float32]]
"""float32 (n, dim), and uint64 (n,), perceptual hash of the image each lies in -> (n,): similarity to the nearest of something
in other pictures than copies of that image; -inf where there is none."""


@dataclass(frozen=True, slots=True)
class Explainers:
    """What may explain a region.

    Attributes:
        nearest: similarity to the nearest voter of the archive or of approved images; None without any.
        min_similarity: a voter less alike explains nothing.
        labels: float32 (labels, dim), unit L2 norm; None without a label list.
        thresholds: float32 (labels,), least cosine of each.
        ledger: tags that people approved explain an image as well as voted ones, and an accepted cluster its regions; None
            where nothing was decided.
    """

    nearest: Nearest | None
    min_similarity: float
    labels: Vectors | None
    thresholds: npt.NDArray[np.float32] | None
    ledger: TagLedger | None


def unexplained_rows(
    plan: PipelinePlan, key: str, rows: pa.Table, vectors: Vectors, explainers: Explainers
) -> npt.NDArray[np.bool_]:
    """Bool (n,). An image's own approved regions are no voters on it, or a reviewed folder would explain itself."""
    hashes = _hashes(plan, key, rows) if explainers.nearest is not None else None
    nearest = np.full(len(vectors), -np.inf, np.float32)
    is_labelled = np.zeros(len(vectors), np.bool_)
    for low in range(0, len(vectors), QUERIES_AT_ONCE):
        span = slice(low, low + QUERIES_AT_ONCE)
        if explainers.nearest is not None and hashes is not None:
            nearest[span] = explainers.nearest(vectors[span], hashes[span])
        if explainers.labels is not None and explainers.thresholds is not None:
            is_labelled[span] = (vectors[span] @ explainers.labels.T >= explainers.thresholds).any(axis=1)
    is_tagged = is_in(rows["file"], sorted(_voted(plan, key)))
    is_accepted = np.zeros(len(vectors), np.bool_)
    if explainers.ledger is not None:
        media = rows["media_id"].unique().to_pylist()
        is_tagged |= is_in(rows["media_id"], _approved(explainers.ledger, media))
        is_accepted = _accepted(explainers.ledger, rows, media)
    return unexplained(nearest, is_tagged, is_labelled, explainers.min_similarity) & ~is_accepted


def _hashes(plan: PipelinePlan, key: str, rows: pa.Table) -> Hashes:
    """uint64 (n,): perceptual hash of the image that each region lies in."""
    image, files = codes(rows["file"])
    images = read_table(plan.layout.folder_tables(key).images, ["file", "phash"])
    by_file = dict(zip(images["file"].to_pylist(), images["phash"].to_pylist(), strict=True))
    return hashes_of([by_file[file] for file in files.to_pylist()])[image]


def _accepted(ledger: TagLedger, rows: pa.Table, media_ids: list[str]) -> npt.NDArray[np.bool_]:
    """Bool (n,): regions of clusters that became a tag."""
    because = ledger.approved_because(media_ids)
    regions = {media: set().union(*map(regions_of, told)) for media, told in because.items()}
    named = zip(rows["media_id"].to_pylist(), rows["region_index"].to_pylist(), strict=True)
    return np.array([number in regions.get(media, ()) for media, number in named], np.bool_)


def _voted(plan: PipelinePlan, key: str) -> set[str]:
    """Files with tags of the vote; none where it was not asked."""
    tables = plan.layout.folder_tables(key)
    if not tables.tags.exists():
        return set()
    stamp = read_stamp(tables.evidence)
    made_from = stamp.extra.get("embeddings") if stamp else None
    if made_from != embeddings_fingerprint(plan, key):
        raise MissingInputError(
            f"{tables.tags} is of an earlier state of the folder; run `autotag tag-target --folder"
            f" {shlex.quote(folder_path(key))}`"
        )
    images = json.loads(tables.tags.read_text(encoding="utf-8"))["images"]
    return {image["file"] for image in images if image["tags"]}


def _approved(ledger: TagLedger, media_ids: list[str]) -> list[str]:
    found = ledger.effective(media_ids)
    return [media for media, tags in found.items() if any(tag.standing is Standing.APPROVED for tag in tags)]
