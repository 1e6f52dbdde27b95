"""folder_tags: a folder's regions find their nearest archive regions, which vote its tags; who voted is kept."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from autotag.domain.arrow_columns import codes, is_equal
from autotag.domain.counts import StepCounts
from autotag.domain.near_duplicates import hashes_of
from autotag.domain.schemas import EVIDENCE
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.vectors import vectors_from_arrow
from autotag.domain.vote_records import GivenTags, Neighbours, VoteResult
from autotag.domain.vote_rules import TagMinimums, VoteRules
from autotag.domain.votes import vote
from autotag.pipeline.approved_voters import ApprovedVoters
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.folder_embeddings import refuse_stale_embeddings
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import VOTE
from autotag.pipeline.voter_view import VoterView, search_voters
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_reader import Reference, open_reference
from autotag.storage.tables import (
    ROW_GROUP_ROWS,
    Stamp,
    read_table,
    write_table,
    write_text,
)

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


def tag_folder(
    plan: PipelinePlan,
    key: str,
    rules: VoteRules,
    search: SearchOptions,
    voters: ApprovedVoters | None = None,
    thresholds: ThresholdTable | None = None,
) -> TaggedFolder:
    """Write tags.json and evidence.parquet, the evidence first: tags are never there without it.

    A folder without images gives an empty list. Images of equal bytes are images of their own. `voters`, where given, vote beside
    the archive's images; their fingerprint is kept with the tags and the evidence, which have none without them.
    Where `thresholds` are given, each tag needs its own score instead of the rules', and tags that a person should judge are
    told as undecided.

    Raises:
        MissingInputError: no embeddings of the folder, or no reference index of the model id.
        ModelMismatchError: the folder was embedded with another model.
        CorruptIndexError: the index is not the one that was released.
    """
    tables = plan.layout.folder_tables(key)
    rows = read_table(
        tables.embeddings,
        COLUMNS,
        made_by=f"target_embeddings of {key}",
        check=refuse_stale_embeddings(plan, key),
    )
    reference = open_reference(plan.layout, plan.model_id, search)
    hashes = read_table(tables.images, ["file", "phash"], made_by=f"target_images of {key}")
    ballot = _Ballot(reference, rows, rules, voters, hashes)
    ballot.count(rules, thresholds)
    counts = StepCounts(taken=len(ballot.files), made=len(ballot.files), regions=rows.num_rows, units=1)
    counts.notes += voters.counts.notes if voters else []
    version = reference.manifest.version
    of_vectors = {"index_version": version, "embeddings": embeddings_fingerprint(plan, key)}
    of_voters = {"voters": voters.fingerprint} if voters else {}
    provenance = Stamp("evidence", plan.model_id, version, of_vectors | of_voters)
    # In small row groups, by file: one tag's votes are looked up without reading the others.
    write_table(tables.evidence, ballot.evidence(), EVIDENCE, provenance, ROW_GROUP_ROWS)
    document = {
        "folder": key,
        "model_id": plan.model_id,
        "index_version": version,
        **of_voters,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "images": ballot.images(),
    }
    write_text(tables.tags, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    tagged = sum(1 for image in document["images"] if image["tags"])
    return TaggedFolder(counts.close(f"folder_tags of {key}"), tagged, len(ballot.result.tags.tag), version)


class _Ballot:
    """One folder's vote."""

    def __init__(
        self,
        reference: Reference,
        rows: pa.Table,
        rules: VoteRules,
        voters: ApprovedVoters | None,
        hashes: pa.Table,
    ) -> None:
        # Evidence repeats rows many times over: without their vectors.
        self._rows = rows.drop_columns(["embedding"])
        image, files = codes(rows["file"])
        self.files: list[str] = files.to_pylist()
        queries = vectors_from_arrow(rows["embedding"])
        hits = reference.searcher.search(queries, rules.neighbours)
        of_voters = None
        if voters is not None:
            by_file = dict(zip(hashes["file"].to_pylist(), hashes["phash"].to_pylist(), strict=True))
            copies = hashes_of([by_file[file] for file in self.files])[image]
            of_voters = search_voters(voters, queries, copies, rules.neighbours)
        self._view = VoterView(reference.mapping, hits, voters, of_voters)
        self._neighbours = Neighbours(
            image=image,
            is_object=is_equal(rows["kind"], "object"),
            similarity=self._view.similarity,
            rows=self._view.rows,
            images=len(self.files),
        )

    def count(self, rules: VoteRules, thresholds: ThresholdTable | None) -> None:
        """Who gets what; before, there is no result."""
        minimums = tag_minimums(thresholds, self._view.tag_names, rules) if thresholds else None
        self.result: VoteResult = vote(self._neighbours, self._view.archive, rules, minimums)

    def images(self) -> list[dict[str, Any]]:
        """Entries of tags.json, by file name."""
        tags, undecided = self._by_image(self.result.tags), self._by_image(self.result.undecided)
        entries: list[dict[str, Any]] = []
        for file, found, doubted, reason in zip(
            self.files, tags, undecided, self.result.reasons, strict=True
        ):
            entry = {"file": file, "tags": found}
            entry |= {"undecided": doubted} if doubted else {}
            entries.append(entry | ({"reason": reason} if not found else {}))
        return sorted(entries, key=lambda entry: entry["file"])

    def _by_image(self, given: GivenTags) -> list[list[dict[str, Any]]]:
        tags: list[list[dict[str, Any]]] = [[] for _ in self.files]
        for image, tag, score, votes in zip(given.image, given.tag, given.score, given.votes, strict=True):
            name = self._view.tag_names[tag]
            tags[image].append({"tag": name, "score": round(float(score), 4), "votes": int(votes)})
        return tags

    def evidence(self) -> pa.Table:
        """Rows of evidence.parquet."""
        found, given = self.result.evidence, self.result.tags
        target = self._rows.take(pa.array(found.region))
        source = self._view.described(found.row)
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


def tag_minimums(thresholds: ThresholdTable, names: list[str], rules: VoteRules) -> TagMinimums:
    """Of the vote's tags, by name; the rules' where nothing was fitted to it."""
    return TagMinimums(
        np.array([thresholds.minimum(VOTE, name, rules.min_score) for name in names], np.float64),
        np.array([thresholds.abstain_from(VOTE, name, rules.min_score) for name in names], np.float64),
    )
