"""What each source of tags says of a folder's images: its proposals by file, each with a reference to its evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.label_score_rows import rows_at_once
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import FolderTags, read_folder_tags
from autotag.storage.tables import Stamp, StampCheck, iter_batches, read_stamp, read_table

VOTE = "vote"
ZERO_SHOT = "zero_shot"

_EVIDENCE_COLUMNS = ["file", "tag", "region_index", "share"]


@dataclass(frozen=True, slots=True)
class ScoredTag:
    """A tag that a source proposes for a file.

    Attributes:
        tag: the tag.
        score: of that source.
        evidence: where to look up why.
    """

    tag: str
    score: float
    evidence: str


SourceTags = Mapping[str, list[ScoredTag]]
"""Tags by file; a file that was looked at and got none has an empty list."""


def vote_tags(plan: PipelinePlan, key: str) -> SourceTags | None:
    """Tags of the vote, each with `vote/<index version>/<index of the region with the largest share>`; None before a vote.

    Raises:
        MissingInputError: the vote was about an earlier state of the folder, or its evidence is of another vote.
        ModelMismatchError: it was made with another model.
        BadTagsError: the file is not a tags.json.
    """
    tables = plan.layout.folder_tables(key)
    if not tables.tags.exists():
        return None
    given = read_folder_tags(plan, key)
    made_by = f"folder_tags of {key}"
    check = _check(plan, key, made_by, str(tables.evidence))
    rows = read_table(tables.evidence, _EVIDENCE_COLUMNS, made_by=made_by, check=check)
    region = _earning_regions(rows)
    stamp = read_stamp(tables.evidence)
    if stamp is None or stamp.fingerprint != given.index_version or region.keys() != _pairs(given):
        raise MissingInputError(
            f"{tables.tags} and {tables.evidence} are not of one vote; materialise {made_by} again"
        )
    return {
        image.file: [
            ScoredTag(tag.tag, tag.score, f"{VOTE}/{given.index_version}/{region[image.file, tag.tag]}")
            for tag in image.tags
        ]
        for image in given.images
    }


def _earning_regions(evidence: pa.Table) -> dict[tuple[str, str], int]:
    """By file and tag, the region whose votes have the largest share together; of equal ones the first."""
    shares: dict[tuple[str, str], dict[int, float]] = {}
    for file, tag, region, share in zip(
        *(evidence[name].to_pylist() for name in _EVIDENCE_COLUMNS), strict=True
    ):
        of_tag = shares.setdefault((file, tag), {})
        of_tag[region] = of_tag.get(region, 0.0) + share
    return {
        pair: min(of_tag, key=lambda region, of=of_tag: (-of[region], region))
        for pair, of_tag in shares.items()
    }


def _pairs(given: FolderTags) -> set[tuple[str, str]]:
    return {(image.file, tag.tag) for image in given.images for tag in image.tags}


def zero_shot_tags(plan: PipelinePlan, key: str) -> SourceTags | None:
    """Labels over their thresholds, each with `zero_shot/<fingerprint of the labels>/<index of its best region>`; None before a scoring.

    Raises:
        MissingInputError: the scores are of an earlier state of the folder.
        ModelMismatchError: they were made with another model.
    """
    path = plan.layout.folder_tables(key).label_scores
    if not path.exists():
        return None
    check = _check(plan, key, f"label_scores of {key}", str(path))
    stamp = read_stamp(path)
    check(stamp)
    facts = stamp.extra if stamp else {}
    place = {label: number for number, label in enumerate(facts["labels"])}
    prefix = f"{ZERO_SHOT}/{facts['labels_fingerprint']}"
    tags: dict[str, list[ScoredTag]] = {}
    columns = ["file", "over_threshold", "scores", "best_region"]
    for batch in iter_batches(path, columns, rows_at_once(len(place)), check):
        scores, regions = (
            batch.column(name).flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
            for name in columns[2:]
        )
        for row, (file, over) in enumerate(
            zip(batch["file"].to_pylist(), batch["over_threshold"].to_pylist(), strict=True)
        ):
            tags[file] = [
                ScoredTag(label, float(scores[row, place[label]]), f"{prefix}/{regions[row, place[label]]}")
                for label in over
            ]
    return tags


def _check(plan: PipelinePlan, key: str, made_by: str, path: str) -> StampCheck:
    """A check that a table is of the folder's vectors as they are now."""

    def check(stamp: Stamp | None) -> None:
        if stamp is None or stamp.model_id != plan.model_id:
            of = stamp.model_id if stamp else "an unknown model"
            raise ModelMismatchError(
                f"{path} is of {of}, the settings name {plan.model_id}; materialise {made_by} again"
            )
        if stamp.extra.get("embeddings") != embeddings_fingerprint(plan, key):
            raise MissingInputError(
                f"{path} is of an earlier state of the folder; materialise {made_by} again"
            )

    return check
