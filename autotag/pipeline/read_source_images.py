"""source_images: the manifest of a shard. Streams the tar once, joins the tags, decodes nothing in full."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.identity import media_id
from autotag.domain.schemas import REJECTS, SOURCE_IMAGES
from autotag.errors import BadTagsError, MissingInputError, RejectedImageError
from autotag.pipeline.journalled import Journalled
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.attempts import AttemptJournal
from autotag.storage.fingerprints import file_version, fingerprint
from autotag.storage.images import probe_image, quick_perceptual_hash
from autotag.storage.removal import remove_file
from autotag.storage.shards import OTHER_EXTENSION, ShardMember, ShardReader
from autotag.storage.tables import Stamp, is_current, read_stamp, write_table
from autotag.storage.tags import ImageTags, read_tags

IMAGES_A_NOTE = 64
"""Images that share a line of the journal: of each only an eighth of the pixels is decoded."""


@dataclass(frozen=True, slots=True)
class SourceImagesWorker(Journalled):
    """Makes the manifests of shards."""

    plan: PipelinePlan

    def __call__(self, shard: str) -> StepCounts:
        """Write images and rejects of one shard; a shard that is done is left alone.

        Raises:
            MissingInputError: no tar of that name.
            BadShardError: the tar cannot be read to its end.
            BadTagsError: the tags table is missing or of another shape.
        """
        tables = self.plan.layout.source(self.plan.model_id)
        pixels, tags = source_fingerprints(self.plan, shard)
        made_from = fingerprint(pixels=pixels, tags=tags)
        stamp = read_stamp(tables.images(shard))
        if stamp and stamp.fingerprint == made_from and is_current(tables.rejects(shard), made_from):
            remove_file(self.journal(shard))  # of a process that died between its last table and its journal
            return StepCounts.from_record(stamp.extra["counts"])
        manifest = _Manifest(read_tags(self.plan.layout.tags(shard)))
        with AttemptJournal(self.journal(shard), pixels, self.plan.max_attempts) as journal:
            self._read(shard, manifest, journal)
            counts = manifest.counts.close(f"source_images of {shard}")
            extra = {"counts": counts.to_record(), "pixels": pixels, "tags": tags}
            stamp = Stamp("source_images", self.plan.model_id, made_from, extra)
            rejects = pa.Table.from_pylist(manifest.rejects, schema=REJECTS)
            write_table(tables.rejects(shard), rejects, REJECTS, stamp)
            images = pa.Table.from_pylist(list(manifest.rows.values()), schema=SOURCE_IMAGES)
            write_table(tables.images(shard), images, SOURCE_IMAGES, stamp)
        return counts

    def journal(self, unit: str) -> UPath:
        """The shard's journal of this step."""
        return self.plan.layout.source(self.plan.model_id).image_attempt(unit)

    def _read(self, shard: str, manifest: "_Manifest", journal: AttemptJournal) -> None:
        """Images are numbered in tar order: what comes next has no other name before it is there."""
        path = self.plan.layout.shard(shard)
        noted = condemned = 0
        with path.open("rb") as stream:
            reader = ShardReader(stream, str(path), self.plan.limits)
            for number, member in enumerate(reader):
                is_condemned = journal.is_condemned(str(number))
                condemned += is_condemned
                if number == noted:
                    window = journal.window(number, IMAGES_A_NOTE)
                    journal.take(() if is_condemned else window, number, 0, len(manifest.rows))
                    noted += len(window)
                manifest.take(member, self.plan, journal.refusal() if is_condemned else None)
            journal.refuse_to_blame_all(condemned, len(manifest.rows))
            journal.take((), noted, 0, len(manifest.rows))
        manifest.finish(reader)


def source_fingerprints(plan: PipelinePlan, shard: str) -> tuple[str, str]:
    """What a shard's pixels and tags are now.

    Raises:
        MissingInputError: the tar is not there; the message names the partition.
        BadTagsError: the tags table is not there.
    """
    path = plan.layout.shard(shard)
    try:
        tar = file_version(path)
    except MissingInputError as error:
        raise MissingInputError(
            f"{path} is not there: shard {shard} is within [source] first_shard..last_shard, but has no tar"
        ) from error
    try:
        tags = file_version(plan.layout.tags(shard))
    except MissingInputError as error:
        raise BadTagsError(
            f"{plan.layout.tags(shard)} is not there: shard {shard} has no tags; write a Parquet file with"
            " the columns key: string and tags: list<string>"
        ) from error
    return fingerprint(tar=tar, limits=plan.limits), tags


class _Manifest:
    """Rows of one shard under construction: metadata only, so memory stays small."""

    def __init__(self, tags: dict[str, ImageTags]) -> None:
        self._tags = tags
        self._untagged = 0
        self._matched: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.rejects: list[dict[str, object]] = []
        self.counts = StepCounts(units=1)

    def take(self, member: ShardMember, plan: PipelinePlan, refusal: RejectedImageError | None) -> None:
        """Add one image member: a row, or a reject; a reject untouched where it is refused."""
        media = media_id(member.data)
        tags = self._tags_of(member.key)
        if media in self.rows:
            kept = self.rows[media]
            kept["tags"] = list(dict.fromkeys([*kept["tags"], *tags.tags]))
            kept["caption"] = kept["caption"] or tags.caption
            self._reject(member.key, member.offset_bytes, "duplicate", f"same bytes as {kept['key']}")
            return
        try:
            if refusal is not None:
                raise refusal
            header = probe_image(member.data, plan.limits)
            phash = quick_perceptual_hash(member.data, plan.limits)
        except RejectedImageError as error:
            self._reject(member.key, member.offset_bytes, error.stage, error.reason)
            return
        self.rows[media] = {
            "media_id": media,
            "key": member.key,
            "member": member.member_name,
            "offset_bytes": member.offset_bytes,
            "size_bytes": member.size_bytes,
            "width": header.width,
            "height": header.height,
            "format": header.format,
            "phash": phash,
            "tags": list(tags.tags),
            "caption": tags.caption,
        }

    def finish(self, reader: ShardReader) -> None:
        """Close the counts and note what did not match."""
        for reject in reader.rejects:
            self._reject(reject.key, reject.offset_bytes, reject.stage, reject.reason)
        self.counts.made = len(self.rows)
        self.counts.duplicates = sum(1 for row in self.rejects if row["stage"] == "duplicate")
        self.counts.rejected = len(self.rejects) - self.counts.duplicates
        self.counts.taken = reader.counts.images + reader.counts.rejected
        self.counts.ignored = sum(reader.counts.ignored.values())
        for why, count in reader.counts.ignored.items():
            if why != OTHER_EXTENSION:
                self.counts.notes.append(f"{count} members ignored: {why}")
        if self._untagged:
            self.counts.notes.append(f"{self._untagged} images have no row in the tags table")
        unmatched = sorted(self._tags.keys() - self._matched)
        if unmatched:
            few = ", ".join([*unmatched[:3], *(["..."] if len(unmatched) > 3 else [])])
            self.counts.notes.append(f"{len(unmatched)} keys of the tags table match no image: {few}")

    def _tags_of(self, key: str) -> ImageTags:
        found = self._tags.get(key)
        if found is None:
            self._untagged += 1
            return ImageTags((), None)
        self._matched.add(key)
        return found

    def _reject(self, key: str, offset_bytes: int, stage: str, reason: str) -> None:
        self.rejects.append({"key": key, "offset_bytes": offset_bytes, "stage": stage, "reason": reason})
