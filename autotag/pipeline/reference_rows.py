"""The rows of a reference index: those of all embedded shards, each image once, streamed as often as needed."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import is_equal
from autotag.domain.counts import StepCounts
from autotag.domain.schemas import REFERENCE_MAPPING
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import ModelMismatchError, RetryableError
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.protocols import Batch
from autotag.storage.tables import Stamp, TableWriter, iter_batches, read_schema, read_stamp, read_table

ROWS_A_BATCH = 16_384

_MAPPED = ["region_id", "media_id", "key", "kind", "box_xyxy_px", "area_px", "phash", "tags"]


class ReferenceRows:
    """The rows of some shards. An image that is in several of them is kept once, in the first, with the tags of all.

    Memory holds about 100 bytes an image and a byte a region, and of one shard at a time all but its vectors.

    Attributes:
        shards: names, in the order the rows stand in.
        dim: length of a vector.
        counts: images taken, made and duplicates, and the regions kept.
        tags_sha256: hexadecimal fingerprint of the kept images' tags; known once the mapping is written.
    """

    def __init__(self, plan: PipelinePlan, shards: Sequence[str]) -> None:
        """Look through the images of all shards, of which there is at least one.

        Raises:
            ModelMismatchError: a table among them is of another model id, or damaged.
        """
        self.shards = tuple(shards)
        self.counts = StepCounts()
        self.tags_sha256 = ""
        self._model_id = plan.model_id
        self._tables = plan.layout.source(plan.model_id)
        self._fingerprints = {shard: self._fingerprint(shard) for shard in self.shards}
        self.dim = int(read_schema(self._tables.embeddings(self.shards[0])).field("embedding").type.list_size)
        self._kept: dict[str, npt.NDArray[np.bool_]] = {}
        self._further_tags: dict[str, list[str]] = {}
        self._find_copies()

    def write_mapping(self, path: UPath) -> None:
        """Write the rows of `REFERENCE_MAPPING`."""
        tags = hashlib.sha256()
        with TableWriter(path, REFERENCE_MAPPING, Stamp("reference_mapping", self._model_id)) as writer:
            for shard in self.shards:
                rows = self._mapping_rows(shard)
                whole = rows.filter(pa.array(is_equal(rows["kind"], "image")))
                tags.update(repr(whole["tags"].to_pylist()).encode())
                writer.write(rows)
        self.tags_sha256 = tags.hexdigest()

    def batches(self) -> Iterator[Batch]:
        """Vectors of the kept rows, in order: float32 (n, dim), unit L2 norm, n up to 16,384.

        Raises:
            RetryableError: a shard was embedded again, or removed, since these rows were looked through.
        """
        for shard in self.shards:
            stamp = read_stamp(self._tables.embeddings(shard))
            if stamp is None or stamp.fingerprint != self._fingerprints[shard]:
                raise RetryableError(
                    f"{self._tables.embeddings(shard)} changed while the index was built; run autotag build-index again"
                )
            mask, first = self._kept[shard], 0
            for batch in iter_batches(self._tables.embeddings(shard), ["embedding"], ROWS_A_BATCH):
                vectors = vectors_from_arrow(batch.column(0))
                yield vectors[mask[first : first + len(vectors)]]
                first += len(vectors)

    def probes(self, count: int) -> npt.NDArray[np.float32]:
        """Vectors spread evenly over the rows: float32 (`count`, dim), fewer where there are fewer rows; of those is at least one."""
        wanted = np.unique(np.linspace(0, self.counts.regions - 1, count).astype(np.int64))
        found, first = [], 0
        for batch in self.batches():
            inside = wanted[(wanted >= first) & (wanted < first + len(batch))] - first
            found.append(np.asarray(batch[inside], dtype=np.float32))
            first += len(batch)
        return np.concatenate(found)

    def _fingerprint(self, shard: str) -> str:
        path = self._tables.embeddings(shard)
        stamp = read_stamp(path)
        if stamp is None or stamp.model_id != self._model_id:
            other = f"of {stamp.model_id}" if stamp else "damaged, or no table of ours"
            raise ModelMismatchError(
                f"{path} is {other}, wanted is one of {self._model_id}; remove it, or embed the shard again"
            )
        return stamp.fingerprint

    def _find_copies(self) -> None:
        """Settle which rows are kept, and what the copies that are not say about the images that are."""
        seen: set[bytes] = set()
        for shard in self.shards:
            rows = read_table(self._tables.embeddings(shard), ["media_id", "kind", "tags"])
            whole = is_equal(rows["kind"], "image")
            images = rows.filter(pa.array(whole))
            is_new = np.ones(images.num_rows, np.bool_)
            for number, name in enumerate(images["media_id"].to_pylist()):
                media = bytes.fromhex(name)
                if media in seen:
                    is_new[number] = False
                    self._further_tags.setdefault(name, []).extend(images["tags"][number].as_py())
                seen.add(media)
            # Region 0, the whole image, comes first in every image.
            self._kept[shard] = is_new[np.cumsum(whole) - 1]
            self.counts.units += 1
            self.counts.taken += len(is_new)
            self.counts.made += int(is_new.sum())
            self.counts.duplicates += int((~is_new).sum())
            self.counts.regions += int(self._kept[shard].sum())

    def _mapping_rows(self, shard: str) -> pa.Table:
        rows = read_table(self._tables.embeddings(shard), _MAPPED).filter(pa.array(self._kept[shard]))
        rows = rows.append_column("area_share", pa.array(_area_share(rows), pa.float32()))
        rows = rows.append_column("shard", pa.array([shard] * rows.num_rows, pa.string()))
        media = rows["media_id"].to_pylist() if self._further_tags else []
        if not self._further_tags.keys().isdisjoint(media):
            own = rows["tags"].to_pylist()
            joined = [
                list(dict.fromkeys([*tags, *self._further_tags.get(name, [])]))
                for name, tags in zip(media, own, strict=True)
            ]
            field = REFERENCE_MAPPING.field("tags")
            rows = rows.set_column(rows.schema.get_field_index("tags"), field, pa.array(joined, field.type))
        return rows.select(REFERENCE_MAPPING.names)


def _area_share(rows: pa.Table) -> npt.NDArray[np.float64]:
    """Each region's part of its image; region 0, the whole image, comes first in every image."""
    area = rows["area_px"].to_numpy().astype(np.float64)
    whole = np.where(is_equal(rows["kind"], "image"), np.arange(len(area)), 0)
    return area / area[np.maximum.accumulate(whole)]
