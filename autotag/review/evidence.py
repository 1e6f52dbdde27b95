"""Why an image has a tag: the boxes that earned it, and the archive regions that spoke for it. Only that image's rows are read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.labels import LEVEL_MARK
from autotag.errors import MissingInputError, PermanentError
from autotag.storage.fingerprints import file_version
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import Stamp, read_stamp, read_table

VOTE = "vote"
ZERO_SHOT = "zero_shot"

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels after EXIF orientation, x1 and y1 exclusive."""

_TABLES_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class SourceVote:
    """An archive region that spoke for a tag.

    Attributes:
        shard: its tar.
        key: of the image in the tar.
        media_id: of that image: hex SHA-256 of its bytes.
        region_id: of the region.
        box_xyxy_px: of the region, in the archive image.
        similarity: cosine to the region of the tagged image.
        share: part of the tag's score, in [0, 1]; the shares of a tag sum to 1.
        region_index: of the tagged image's region that it is alike.
    """

    shard: str
    key: str
    media_id: str
    region_id: str
    box_xyxy_px: Box
    similarity: float
    share: float
    region_index: int


@dataclass(frozen=True, slots=True)
class EarningRegion:
    """A region of the tagged image; index 0 is the whole image. The shares of a tag's regions sum to 1."""

    region_index: int
    box_xyxy_px: Box
    share: float


@dataclass(frozen=True, slots=True)
class TagEvidence:
    """Why an image has a tag.

    Attributes:
        file: the image, relative to its folder.
        tag: the tag.
        source: "vote" or "zero_shot".
        score: of that source.
        regions: that earned it, best first; at least one.
        votes: who spoke for it, by falling share; empty for zero-shot, where the label itself is what the region is alike.
        model_id: of the vectors.
    """

    file: str
    tag: str
    source: str
    score: float
    regions: tuple[EarningRegion, ...]
    votes: tuple[SourceVote, ...]
    model_id: str

    @property
    def box_xyxy_px(self) -> Box:
        """The box that earned the tag more than any other."""
        return self.regions[0].box_xyxy_px

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def evidence_of(tables: FolderTables, file: str, tag: str | None = None) -> list[TagEvidence]:
    """All that is known: the vote's tags first, then labels, each by falling score.

    Without a tag, labels are those over their thresholds; a tag that is asked for is told whatever its score. A source that
    was not asked yet says nothing.

    Args:
        tables: of the folder.
        file: the image, relative to the folder.
        tag: of this tag alone.

    Raises:
        MissingInputError: neither a vote nor label scores are there.
        PermanentError: a table is damaged.
    """
    if not tables.evidence.exists() and not tables.label_scores.exists():
        raise MissingInputError(
            f"{tables.root} has neither evidence of a vote nor label scores; materialise folder_tags or label_scores first"
        )
    return [*vote_evidence(tables, file, tag), *zero_shot_evidence(tables, file, tag)]


def vote_evidence(tables: FolderTables, file: str, tag: str | None = None) -> list[TagEvidence]:
    """What the archive says for an image's tags, by falling score; nothing before a vote, or for a tag it did not give.

    Raises:
        PermanentError: the table is damaged.
    """
    if not tables.evidence.exists():
        return []
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(tables.evidence, file, None, "folder_tags"):
        if tag is None or row["tag"] == tag:
            by_tag.setdefault(row["tag"], []).append(row)
    model_id = _stamp(tables.evidence).model_id
    found = [_vote(file, name, rows, model_id) for name, rows in by_tag.items()]
    return sorted(found, key=lambda each: (-each.score, each.tag))


def zero_shot_evidence(tables: FolderTables, file: str, tag: str | None = None) -> list[TagEvidence]:
    """The regions that are most alike an image's labels, by falling score; nothing before labels were scored.

    Args:
        tables: of the folder.
        file: the image.
        tag: this label, whatever its score; without, those over their thresholds.

    Raises:
        PermanentError: a table is damaged, or the scores are of other regions than those there are.
    """
    path = tables.label_scores
    if not path.exists():
        return []
    stamp = _stamp(path)
    place = {label: number for number, label in enumerate(stamp.extra["labels"])}
    if tag is not None and tag not in place:
        return []
    rows = _table(path, file, ["over_threshold", "scores", "best_region"], "label_scores")
    if not rows.num_rows:
        return []
    wanted = [tag] if tag is not None else rows["over_threshold"][0].as_py()
    boxes = _boxes(tables, file) if wanted else {}
    found: list[TagEvidence] = []
    for label in wanted:
        region = rows["best_region"][0].values[place[label]].as_py()
        if region not in boxes:
            raise PermanentError(
                f"{path} names region {region} of {file!r}, which {tables.regions} does not have; materialise label_scores"
                " again"
            )
        score = float(rows["scores"][0].values[place[label]].as_py())
        earned = EarningRegion(region, boxes[region], 1.0)
        found.append(TagEvidence(file, label, ZERO_SHOT, score, (earned,), (), stamp.model_id))
    return sorted(found, key=lambda each: (-each.score, each.tag))


def full_names(tables: FolderTables, file: str, name: str) -> list[str]:
    """Labels of the list, and tags that the image's vote gave, that go by a name: that one itself, else those whose last part it is.

    Args:
        tables: of the folder.
        file: the image.
        name: like "animal|bird", or "bird" for short.

    Returns:
        In the order of names; none where nobody knows it.

    Raises:
        PermanentError: a table is damaged.
    """
    known = {each.tag for each in vote_evidence(tables, file)}
    if tables.label_scores.exists():
        known.update(_stamp(tables.label_scores).extra["labels"])
    return [name] if name in known else sorted(tag for tag in known if tag.rpartition(LEVEL_MARK)[2] == name)


def best_label(tables: FolderTables, file: str) -> tuple[str, float] | None:
    """The image's best label with its score, whatever its threshold; None where it was not scored.

    Raises:
        PermanentError: the table is damaged.
    """
    if not tables.label_scores.exists():
        return None
    rows = _rows(tables.label_scores, file, ["top1", "top1_score"], "label_scores")
    return (rows[0]["top1"], rows[0]["top1_score"]) if rows else None


def _vote(file: str, tag: str, rows: Sequence[dict[str, Any]], model_id: str) -> TagEvidence:
    shares: dict[int, float] = {}
    boxes: dict[int, Box] = {}
    for row in rows:
        region = row["region_index"]
        shares[region] = shares.get(region, 0.0) + row["share"]
        boxes[region] = tuple(row["box_xyxy_px"])
    ranked = sorted(shares, key=lambda region: (-shares[region], region))
    votes = [
        SourceVote(
            shard=row["source_shard"],
            key=row["source_key"],
            media_id=row["source_media_id"],
            region_id=row["source_region_id"],
            box_xyxy_px=tuple(row["source_box_xyxy_px"]),
            similarity=row["similarity"],
            share=row["share"],
            region_index=row["region_index"],
        )
        for row in sorted(rows, key=lambda row: (-row["share"], row["source_region_id"]))
    ]
    return TagEvidence(
        file=file,
        tag=tag,
        source=VOTE,
        score=rows[0]["tag_score"],
        regions=tuple(EarningRegion(region, boxes[region], shares[region]) for region in ranked),
        votes=tuple(votes),
        model_id=model_id,
    )


def _boxes(tables: FolderTables, file: str) -> dict[int, Box]:
    rows = _rows(tables.regions, file, ["region_index", "box_xyxy_px"], "target_crops")
    return {row["region_index"]: tuple(row["box_xyxy_px"]) for row in rows}


def _rows(path: UPath, file: str, columns: list[str] | None, made_by: str) -> list[dict[str, Any]]:
    return _table(path, file, columns, made_by).to_pylist()


def _table(path: UPath, file: str, columns: list[str] | None, made_by: str) -> pa.Table:
    """Rows of one file: the tables lie by file, so that row groups without it are not even read."""
    return read_table(path, columns, made_by=made_by, span=("file", file, file))


def _stamp(path: UPath) -> Stamp:
    """A table's stamp, read once as long as the table does not change: that of many labels is long."""
    return _stamp_of_version(path, file_version(path))


@lru_cache(_TABLES_REMEMBERED)
def _stamp_of_version(path: UPath, version: str) -> Stamp:
    del version
    stamp = read_stamp(path)
    if stamp is None:
        raise PermanentError(
            f"{path} is damaged, or of another release; delete it and materialise its asset again"
        )
    return stamp
