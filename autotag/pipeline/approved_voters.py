"""Approved voters: regions of target images whose tags people approved, searched beside the released index.

A small table of its own, so that what was decided counts at the next run and no index is built for it. It is made again when
tags of approved images are others, or a folder that has some was embedded again; rows of the other folders are taken over.
Which folder has which of them is kept beside the table, see `VoterFolders`.
"""

import hashlib
import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import codes
from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_path
from autotag.domain.near_duplicates import Hashes, hashes_of
from autotag.domain.vectors import vectors_from_arrow
from autotag.models.protocols import Vectors
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.voter_folders import Owners, Versions, VoterFolders, folder_versions
from autotag.pipeline.voter_table import (
    TABLE,
    ApprovedImages,
    DamagedFolderError,
    made_from,
    table_fingerprint,
    write_voters,
)
from autotag.review.ledger.existing import existing_ledger
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, read_stamp, read_table

Ints = npt.NDArray[np.int64]

_log = logging.getLogger(__name__)


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
    with existing_ledger(settings, plan.layout) as ledger:
        return approved_voters(plan, ledger, settings.review.voter_weight) if ledger else None


def approved_voters(plan: PipelinePlan, ledger: TagLedger, weight: float) -> ApprovedVoters | None:
    """The voters of the plan's model id, whose table is made again where it is not of now; None where there are none.

    A folder whose tables are damaged is left out, its images are rejected, and the counts have a note.

    Args:
        plan: where things are, and which model.
        ledger: what people decided.
        weight: of one voter, above 0.

    Raises:
        ValueError: a weight of 0 or less.
        UnwritableRootError: the table cannot be written.
    """
    if weight <= 0:
        raise ValueError(f"weight {weight} of approved voters must be above 0; without a weight ask for none")
    position = ledger.position()
    versions = folder_versions(plan) if position else {}
    if not versions:
        return None
    counts = _bring_up_to_date(plan, ledger, position, versions)
    found = _read(plan.layout.approved_voters(plan.model_id), weight, counts)
    if found is None:
        for note in counts.notes:  # nobody else can tell them
            _log.warning(note)
    return found


def _bring_up_to_date(plan: PipelinePlan, ledger: TagLedger, position: int, versions: Versions) -> StepCounts:
    """Make the table again where decisions or folders are others than those it was made from."""
    record = plan.layout.voter_folders(plan.model_id)
    known = VoterFolders.read(record)
    if known.position == position:
        owners = known.find_owners(plan, versions, {})
        if _is_of(plan, known, owners, versions):
            known.write(record)
            return _counts(known, owners, len(known.approved) - len(owners.left))
    approved = ApprovedImages.of(ledger)
    known.approve(approved.tags, position)
    owners, reused = _remade(plan, known, approved, versions)
    known.write(record)
    return _counts(known, owners, reused)


def _remade(
    plan: PipelinePlan, known: VoterFolders, approved: ApprovedImages, versions: Versions
) -> tuple[Owners, int]:
    """Write the table unless it is that one already; the owners, and how many images were taken over."""
    path, damaged = plan.layout.approved_voters(plan.model_id), dict[str, str]()
    while True:
        owners = known.find_owners(plan, versions, damaged)
        facts = made_from(approved, owners, versions)
        table, reused = table_fingerprint(facts), sum(map(len, owners.media.values()))
        try:
            if _fingerprint_of(read_stamp(path)) != table:
                table, reused = write_voters(plan, approved, owners, facts)
        except DamagedFolderError as error:
            damaged[error.key] = str(error)
            continue
        known.owners, known.table = _owners_fingerprint(owners, versions), table
        return owners, reused


def _is_of(plan: PipelinePlan, known: VoterFolders, owners: Owners, versions: Versions) -> bool:
    """Whether the table is of these owners, and of the decisions that are known."""
    table = _fingerprint_of(read_stamp(plan.layout.approved_voters(plan.model_id)))
    return bool(table) and table == known.table and known.owners == _owners_fingerprint(owners, versions)


def _owners_fingerprint(owners: Owners, versions: Versions) -> str:
    return fingerprint(owners={key: (versions[key][0], media) for key, media in owners.media.items()})


def _fingerprint_of(stamp: Stamp | None) -> str:
    return stamp.fingerprint if stamp and stamp.table == TABLE else ""


def _counts(known: VoterFolders, owners: Owners, reused: int) -> StepCounts:
    taken, rejected = len(known.approved), len(owners.left)
    notes = [
        f"approved images of {folder_path(key)} do not vote: {' '.join(reason.split())}"
        for key, reason in owners.damaged.items()
    ]
    counts = StepCounts(taken=taken, made=taken - rejected, rejected=rejected, units=len(owners.media))
    counts.reused, counts.notes = reused, notes
    return counts.close(TABLE)


def _read(path: UPath, weight: float, counts: StepCounts) -> ApprovedVoters | None:
    rows = read_table(path, made_by="folder_tags")
    counts.regions = rows.num_rows
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
        counts=counts,
    )


def _content(facts: pa.Table, vectors: Vectors, weight: float) -> str:
    """Changes with whatever the vote can see; not with decisions on images that are no voters."""
    of_vectors = hashlib.sha256(vectors.tobytes()).hexdigest()
    return fingerprint(weight=weight, facts=facts.to_pylist(), vectors=of_vectors)
