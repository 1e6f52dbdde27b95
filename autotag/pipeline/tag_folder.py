"""folder_tags: a folder's regions find their nearest archive regions, which vote its tags; who voted is kept."""

import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from autotag.domain.arrow_columns import codes, is_equal
from autotag.domain.counts import StepCounts
from autotag.domain.identity import folder_path
from autotag.domain.schemas import EVIDENCE
from autotag.domain.vectors import vectors_from_arrow
from autotag.domain.votes import Neighbours, VoteResult, VoteRules, vote
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.archive_view import ArchiveView
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_reader import Reference, open_reference
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table, write_text

COLUMNS = ["file", "region_index", "kind", "box_xyxy_px", "embedding"]


@dataclass(frozen=True, slots=True)
class TaggedFolder:
    """What a folder's vote came to.

    Attributes:
        counts: images in and out; an image without tags is out, with its reason.
        tagged: images with at least one tag.
        tags: tags given.
        index_version: of the reference index that voted.
    """

    counts: StepCounts
    tagged: int
    tags: int
    index_version: str


def tag_folder(plan: PipelinePlan, key: str, rules: VoteRules, search: SearchOptions) -> TaggedFolder:
    """Write tags.json and evidence.parquet, the evidence first: tags are never there without it.

    A folder without images gives an empty list. Images of equal bytes are images of their own.

    Raises:
        MissingInputError: no embeddings of the folder, or no reference index of the model id.
        ModelMismatchError: the folder was embedded with another model.
        CorruptIndexError: the index is not the one that was released.
    """
    tables = plan.layout.folder_tables(key)
    rows = read_table(tables.embeddings, COLUMNS, made_by=f"target_embeddings of {key}")
    stamp = read_stamp(tables.embeddings)
    if stamp is None or stamp.model_id != plan.model_id:
        made_by = stamp.model_id if stamp else "an unknown model"
        raise ModelMismatchError(
            f"{tables.embeddings} is of {made_by}, the settings name {plan.model_id};"
            f" run `autotag process-target --folder {shlex.quote(folder_path(key))}` again"
        )
    if stamp.fingerprint != embeddings_fingerprint(plan, key):
        raise MissingInputError(
            f"{tables.embeddings} is of an earlier state of the folder; run autotag process-target"
            f" --folder {shlex.quote(folder_path(key))}"
        )
    reference = open_reference(plan.layout, plan.model_id, search)
    ballot = _Ballot(reference, rows, rules)
    counts = StepCounts(taken=len(ballot.files), made=len(ballot.files), regions=rows.num_rows, units=1)
    version = reference.manifest.version
    provenance = Stamp("evidence", plan.model_id, version, {"index_version": version})
    write_table(tables.evidence, ballot.evidence(), EVIDENCE, provenance)
    document = {
        "folder": key,
        "model_id": plan.model_id,
        "index_version": version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "images": ballot.images(),
    }
    write_text(tables.tags, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    tagged = sum(1 for image in document["images"] if image["tags"])
    return TaggedFolder(counts.close(f"folder_tags of {key}"), tagged, len(ballot.result.tags.tag), version)


class _Ballot:
    """One folder's vote."""

    def __init__(self, reference: Reference, rows: pa.Table, rules: VoteRules) -> None:
        self._mapping = reference.mapping
        # Evidence repeats rows many times over: without their vectors.
        self._rows = rows.drop_columns(["embedding"])
        image, files = codes(rows["file"])
        self.files: list[str] = files.to_pylist()
        hits = reference.searcher.search(vectors_from_arrow(rows["embedding"]), rules.neighbours)
        self._view = ArchiveView(reference.mapping, hits.rows)
        neighbours = Neighbours(
            image=image,
            is_object=is_equal(rows["kind"], "object"),
            similarity=hits.similarity,
            rows=self._view.places(hits.rows),
            images=len(self.files),
        )
        self.result: VoteResult = vote(neighbours, self._view.archive, rules)

    def images(self) -> list[dict[str, Any]]:
        """Entries of tags.json, by file name."""
        tags: list[list[dict[str, Any]]] = [[] for _ in self.files]
        given = self.result.tags
        for image, tag, score, votes in zip(given.image, given.tag, given.score, given.votes, strict=True):
            name = self._view.tag_names[tag]
            tags[image].append({"tag": name, "score": round(float(score), 4), "votes": int(votes)})
        entries: list[dict[str, Any]] = []
        for file, found, reason in zip(self.files, tags, self.result.reasons, strict=True):
            entries.append({"file": file, "tags": found} | ({"reason": reason} if not found else {}))
        return sorted(entries, key=lambda entry: entry["file"])

    def evidence(self) -> pa.Table:
        """Rows of evidence.parquet."""
        found, given = self.result.evidence, self.result.tags
        target = self._rows.take(pa.array(found.region))
        source = self._mapping.described(self._view.rows[found.row])
        names = pa.array(self._view.tag_names, pa.string())
        return pa.table(
            {
                "file": target["file"],
                "tag": names.take(pa.array(given.tag[found.given])),
                "tag_score": given.score[found.given].astype(np.float32),
                "region_index": target["region_index"],
                "box_xyxy_px": target["box_xyxy_px"],
                "source_region_id": source["region_id"],
                "source_media_id": source["media_id"],
                "source_shard": source["shard"],
                "source_key": source["key"],
                "source_box_xyxy_px": source["box_xyxy_px"],
                "similarity": found.similarity.astype(np.float32),
                "share": found.share.astype(np.float32),
            }
        )
