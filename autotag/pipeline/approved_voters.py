"""Approved voters: regions of target images whose tags people approved, searched beside the released index.

A small table of its own, so that what was decided counts at the next run and no index is built for it. It is made again when
somebody has decided something since, or a folder was embedded again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import codes, is_in
from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_key
from autotag.domain.ledger_entries import Standing
from autotag.domain.near_duplicates import Hashes, hashes_of
from autotag.domain.schemas import approved_voters as voters_schema
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import PermanentError
from autotag.models.protocols import Vectors
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.fingerprints import file_version, fingerprint
from autotag.storage.roots import is_local
from autotag.storage.tables import Stamp, TableWriter, read_schema, read_stamp, read_table

TABLE = "approved_voters"

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
    return [key for key in _folder_versions(plan) if _model_of(plan, key) == plan.model_id]


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
    path = plan.layout.approved_voters(plan.model_id)
    position = ledger.position()
    folders = _folder_versions(plan) if position else {}
    if not folders:
        return None
    wanted = fingerprint(position=position, folders=folders, model=plan.model_id)
    if not _is_made(path, wanted):
        _write(plan, ledger, list(folders), Stamp(TABLE, plan.model_id, wanted))
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


def _is_made(path: UPath, wanted: str) -> bool:
    stamp = read_stamp(path)
    return stamp is not None and (stamp.table, stamp.fingerprint) == (TABLE, wanted)


def _write(plan: PipelinePlan, ledger: TagLedger, folders: list[str], stamp: Stamp) -> None:
    approved = dict(ledger.approved_media())
    mine = [key for key in folders if _model_of(plan, key) == plan.model_id]
    dim = _dim(plan, mine)
    left, counts = dict(approved), StepCounts(taken=len(approved), units=len(mine))
    with TableWriter(plan.layout.approved_voters(plan.model_id), voters_schema(dim), stamp) as writer:
        for key in mine:
            for rows in _voters_of(plan, ledger, key, left):
                writer.write(rows)
        counts.regions, counts.made = writer.rows, len(approved) - len(left)
        counts.rejected = len(left)
        stamp.extra["counts"] = counts.close(TABLE).to_record()


def _model_of(plan: PipelinePlan, key: str) -> str:
    stamp = read_stamp(plan.layout.folder_tables(key).embeddings)
    return stamp.model_id if stamp else ""


def _dim(plan: PipelinePlan, folders: list[str]) -> int:
    if not folders:
        return 1
    schema = read_schema(plan.layout.folder_tables(folders[0]).embeddings)
    return schema.field("embedding").type.list_size


def _voters_of(
    plan: PipelinePlan, ledger: TagLedger, key: str, left: dict[str, tuple[str, ...]]
) -> Iterator[pa.Table]:
    """Rows of the images of a folder that are still left, which they are no longer then."""
    tables = plan.layout.folder_tables(key)
    images = read_table(tables.images, ["file", "media_id", "phash"], made_by=f"target_images of {key}")
    images = images.filter(pa.array(is_in(images["media_id"], list(left))))
    if not images.num_rows:
        return
    hashes = dict(zip(images["media_id"].to_pylist(), images["phash"].to_pylist(), strict=True))
    columns = ["file", "media_id", "region_index", "box_xyxy_px", "embedding"]
    rows = read_table(tables.embeddings, columns, made_by=f"target_embeddings of {key}")
    rows = rows.filter(pa.array(is_in(rows["media_id"], list(hashes))))
    first_file: dict[str, str] = {}
    for file, media in zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True):
        first_file.setdefault(media, file)
    rows = rows.filter(pa.array(is_in(rows["file"], list(first_file.values()))))
    rejected = _rejected(ledger, list(first_file))
    media = rows["media_id"].to_pylist()
    of_images = {
        "folder": pa.array([key] * len(media), pa.string()),
        "phash": pa.array([hashes[name] for name in media], pa.string()),
        "tags": pa.array([left[name] for name in media], pa.list_(pa.string())),
        "rejected": pa.array([rejected[name] for name in media], pa.list_(pa.string())),
    }
    for name, column in of_images.items():
        rows = rows.append_column(name, column)
    yield rows.select(voters_schema(1).names)
    for name in first_file:
        del left[name]


def _rejected(ledger: TagLedger, media_ids: list[str]) -> Mapping[str, list[str]]:
    return {
        media: sorted(each.tag for each in tags if each.standing is Standing.REJECTED)
        for media, tags in ledger.effective(media_ids).items()
    }


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
