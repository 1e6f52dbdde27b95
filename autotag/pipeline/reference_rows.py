"""The rows of a reference index: those of all embedded shards, each image once, streamed as often as needed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import is_equal
from autotag.domain.counts import StepCounts
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, ModelMismatchError, RetryableError
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.manifest import ReleasedShard
from autotag.reference.protocols import Batch
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, iter_batches, read_schema, read_stamp, read_table

ROWS_A_BATCH = 16_384

_MAPPED = ["media_id", "key", "region_index", "box_xyxy_px", "phash", "tags"]

Ints = npt.NDArray[np.int64]


def embeddings_state(stamp: Stamp) -> str:
    """Changes when a shard's embeddings do: other pixels, other [regions] rules, or other tags."""
    return fingerprint(vectors=stamp.fingerprint, tags=stamp.extra.get("manifest", ""))


class ReferenceRows:
    """The rows of some shards. An image that is in several of them is kept once, in the first, with the tags of all.

    Memory holds about 100 bytes an image and a byte a region, and of one shard at a time all but its vectors.

    Attributes:
        shards: their states and images by name, in the order the rows stand in.
        dim: length of a vector.
        counts: images taken, made and duplicates, and the regions kept.
    """

    def __init__(self, plan: PipelinePlan, shards: Sequence[str]) -> None:
        """Look through the images of all shards, of which there is at least one.

        Raises:
            ModelMismatchError: a table among them is of another model id, or damaged.
        """
        self.counts = StepCounts()
        self._model_id = plan.model_id
        self._tables = plan.layout.source(plan.model_id)
        self.shards = {shard: ReleasedShard(self._state(shard), 0) for shard in shards}
        self.dim = int(read_schema(self._tables.embeddings(shards[0])).field("embedding").type.list_size)
        self._kept: dict[str, npt.NDArray[np.bool_]] = {}
        self._further_tags: dict[str, list[str]] = {}
        self._find_copies()

    def tables(self) -> Iterator[pa.Table]:
        """The kept rows of each shard, in order: media_id, key, region_index, box_xyxy_px, phash, tags.

        Raises:
            RetryableError: as `batches` does.
        """
        for shard in self.shards:
            rows = self._read(shard, _MAPPED)
            yield self._with_all_tags(rows.filter(pa.array(self._kept[shard])))

    def batches(self) -> Iterator[Batch]:
        """Vectors of the kept rows, in order: float32 (n, dim), unit L2 norm, n up to 16,384.

        Raises:
            RetryableError: a shard was embedded again, or removed, since these rows were looked through.
        """
        for shard in self.shards:
            mask, first = self._kept[shard], 0
            for batch in self._vectors(shard):
                vectors = vectors_from_arrow(batch.column(0))
                yield vectors[mask[first : first + len(vectors)]]
                first += len(vectors)

    def probes(self, count: int) -> tuple[npt.NDArray[np.float32], Ints]:
        """Vectors spread evenly over the rows, of which there is at least one.

        Returns:
            float32 (`count`, dim), fewer where there are fewer rows, and int64 (`count`,): their rows.
        """
        wanted = np.unique(np.linspace(0, self.counts.regions - 1, count).astype(np.int64))
        found, first = [], 0
        for batch in self.batches():
            inside = wanted[(wanted >= first) & (wanted < first + len(batch))] - first
            found.append(np.asarray(batch[inside], dtype=np.float32))
            first += len(batch)
        return np.concatenate(found), wanted

    def _read(self, shard: str, columns: list[str]) -> pa.Table:
        try:
            return read_table(self._tables.embeddings(shard), columns, check=partial(self._check, shard))
        except MissingInputError as error:
            raise self._changed(shard) from error

    def _vectors(self, shard: str) -> Iterator[pa.RecordBatch]:
        try:
            check = partial(self._check, shard)
            yield from iter_batches(self._tables.embeddings(shard), ["embedding"], ROWS_A_BATCH, check)
        except MissingInputError as error:
            raise self._changed(shard) from error

    def _check(self, shard: str, stamp: Stamp | None) -> None:
        """The rows must be those that were looked through."""
        if stamp is None or embeddings_state(stamp) != self.shards[shard].state:
            raise self._changed(shard)

    def _changed(self, shard: str) -> RetryableError:
        return RetryableError(
            f"{self._tables.embeddings(shard)} changed while the index was built; run autotag build-index again"
        )

    def _state(self, shard: str) -> str:
        path = self._tables.embeddings(shard)
        stamp = read_stamp(path)
        if stamp is None or stamp.model_id != self._model_id:
            other = f"of {stamp.model_id}" if stamp else "damaged, or no table of ours"
            raise ModelMismatchError(
                f"{path} is {other}, wanted is one of {self._model_id}; remove it, or embed the shard again"
            )
        return embeddings_state(stamp)

    def _find_copies(self) -> None:
        """Settle which rows are kept, and what the copies that are not say about the images that are."""
        seen: set[bytes] = set()
        for shard in self.shards:
            rows = self._read(shard, ["media_id", "kind", "tags"])
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
            self.shards[shard] = replace(self.shards[shard], images=int(is_new.sum()))
            self.counts.units += 1
            self.counts.taken += len(is_new)
            self.counts.made += int(is_new.sum())
            self.counts.duplicates += int((~is_new).sum())
            self.counts.regions += int(self._kept[shard].sum())

    def _with_all_tags(self, rows: pa.Table) -> pa.Table:
        """The rows with the tags of those copies of their images that were not kept."""
        media = rows["media_id"].to_pylist() if self._further_tags else []
        if self._further_tags.keys().isdisjoint(media):
            return rows
        joined = [
            list(dict.fromkeys([*tags, *self._further_tags.get(name, [])]))
            for name, tags in zip(media, rows["tags"].to_pylist(), strict=True)
        ]
        field = rows.schema.field("tags")
        return rows.set_column(rows.schema.get_field_index("tags"), field, pa.array(joined, field.type))
