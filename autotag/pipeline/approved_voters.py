"""Approved voters: regions of target images whose tags people approved, searched beside the released index.

A small table of its own, so that what was decided counts at the next run and no index is built for it. It is made again when
tags of approved images are others, or a folder was embedded again; folders that this leaves as they were are not read again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import codes
from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_key
from autotag.domain.near_duplicates import Hashes, hashes_of
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import PermanentError
from autotag.models.protocols import Vectors
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.voter_table import TABLE, ApprovedImages, model_of, write_voters
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.fingerprints import file_version, fingerprint
from autotag.storage.roots import is_local
from autotag.storage.tables import Stamp, read_stamp, read_table

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ApprovedVoters:
    """Voters from target folders: m images with n regions.

    Attributes:
        weight: how much one counts beside an image of the archive, above 0.
        fingerprint: of weight, images, tags and vectors.
        media_ids: of the images.
        tags: of the images: approved or added.
        rejected: of the images.
        phash: uint64 (m,).
        image: int64 (n,), image of each region.
        regions: columns folder, file, media_id, region_index and box_xyxy_px of the regions.
        vectors: float32 (n, dim), unit L2 norm; row i is region i.
        counts: images with approved tags in, voters out; the rest is in no folder embedded with the model.
    """

    weight: float
    fingerprint: str
    media_ids: list[str]
    tags: list[list[str]]
    rejected: list[list[str]]
    phash: Hashes
    image: Ints
    regions: pa.Table
    vectors: Vectors
    counts: StepCounts


def current_voters(plan: PipelinePlan, settings: Settings) -> ApprovedVoters | None:
    """The settings' voters as the ledger stands; None where they have no weight, nothing is decided, or nothing is embedded.

    Raises as `approved_voters`, and as `TagLedger.open`.
    """
    if not settings.review.voter_weight:
        return None
    with existing_ledger(plan, settings) as ledger:
        return approved_voters(plan, ledger, settings.review.voter_weight) if ledger else None


@contextmanager
def existing_ledger(plan: PipelinePlan, settings: Settings) -> Iterator[TagLedger | None]:
    """The settings' ledger, open; None where there is no file of it: then nobody has decided anything.

    Raises as `TagLedger.open`.
    """
    if not settings.review.ledger and not (is_local(plan.layout.ledger) and plan.layout.ledger.exists()):
        yield None
        return
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        yield ledger


def embedded_folders(plan: PipelinePlan) -> list[str]:
    """Keys of the folders that are embedded with the plan's model, in order of their paths."""
    return [key for key in _folder_versions(plan) if model_of(plan, key) == plan.model_id]


def approved_voters(plan: PipelinePlan, ledger: TagLedger, weight: float) -> ApprovedVoters | None:
    """The voters of the plan's model id, whose table is made again where it is not of now; None where there are none.

    Args:
        plan: where things are, and which model.
        ledger: what people decided.
        weight: of one voter, above 0.

    Raises:
        ValueError: a weight of 0 or less.
        PermanentError: a folder's embeddings are damaged.
        UnwritableRootError: the table cannot be written.
    """
    if weight <= 0:
        raise ValueError(f"weight {weight} of approved voters must be above 0; without a weight ask for none")
    position = ledger.position()
    folders = _folder_versions(plan) if position else {}
    if not folders:
        return None
    path = plan.layout.approved_voters(plan.model_id)
    seen, stamp = fingerprint(position=position, folders=folders, model=plan.model_id), read_stamp(path)
    if not _is_made(stamp, seen=seen):
        approved = ApprovedImages.of(ledger)
        wanted = fingerprint(
            tags=approved.tags, rejected=approved.rejected, folders=folders, model=plan.model_id
        )
        if not _is_made(stamp, wanted=wanted):
            write_voters(plan, approved, folders, Stamp(TABLE, plan.model_id, wanted, {"seen": seen}))
    return _read(path, weight)


def _folder_versions(plan: PipelinePlan) -> dict[str, str]:
    """Version of the vectors of each folder that has some, of whatever model; none without a manifest of its images."""
    found: dict[str, str] = {}
    for path in target_folder_paths(plan.layout):
        key = folder_key(path)
        tables = plan.layout.folder_tables(key)
        if tables.embeddings.exists() and tables.images.exists():
            found[key] = file_version(tables.embeddings)
    return found


def _is_made(stamp: Stamp | None, *, seen: str = "", wanted: str = "") -> bool:
    """Whether the table is of these decisions and folders: the very same, or others that come to the same voters."""
    if stamp is None or stamp.table != TABLE or "folders" not in stamp.extra:
        return False
    return stamp.extra["seen"] == seen or stamp.fingerprint == wanted


def _read(path: UPath, weight: float) -> ApprovedVoters | None:
    rows, stamp = read_table(path, made_by=TABLE), read_stamp(path)
    if stamp is None:
        raise PermanentError(f"{path} has lost its stamp; delete it, it is made again")
    if not rows.num_rows:
        return None
    image, media = codes(rows["media_id"])
    first = np.unique(image, return_index=True)[1]
    of_images = rows.select(["phash", "tags", "rejected"]).take(pa.array(first))
    vectors = vectors_from_arrow(rows["embedding"])
    regions = rows.select(["folder", "file", "media_id", "region_index", "box_xyxy_px"])
    return ApprovedVoters(
        weight=weight,
        fingerprint=_content(rows.drop_columns(["embedding"]), vectors, weight),
        media_ids=media.to_pylist(),
        tags=of_images["tags"].to_pylist(),
        rejected=of_images["rejected"].to_pylist(),
        phash=hashes_of(of_images["phash"].to_pylist()),
        image=image,
        regions=regions,
        vectors=vectors,
        counts=StepCounts.from_record(stamp.extra["counts"]),
    )


def _content(facts: pa.Table, vectors: Vectors, weight: float) -> str:
    """Changes with whatever the vote can see; not with decisions on images that are no voters."""
    of_vectors = hashlib.sha256(vectors.tobytes()).hexdigest()
    return fingerprint(weight=weight, facts=facts.to_pylist(), vectors=of_vectors)
