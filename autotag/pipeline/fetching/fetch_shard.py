"""One shard of a list of URLs: its files downloaded, then its tar, its tags and what became of each row."""

import tarfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.errors import RejectedImageError, RetryableError
from autotag.pipeline.fetching.answers import PassingFailureError, is_answer
from autotag.pipeline.fetching.download import Downloader
from autotag.pipeline.fetching.shard_rows import OUTCOMES, TAGS, ShardRows, by_turns, host_of
from autotag.storage.images import ImageLimits, probe_image
from autotag.storage.layout import Layout
from autotag.storage.removal import remove_tree
from autotag.storage.roots import make_directory
from autotag.storage.tables import Stamp, publish_file, read_stamp, read_table, write_bytes, write_table

_EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShardFetcher:
    """Makes shards below a data root."""

    layout: Layout
    downloader: Downloader
    limits: ImageLimits

    def outcomes(self, shard: str) -> UPath:
        """What became of the shard's rows; once it is there, the shard is done."""
        return self.layout.source_shards.parent / "fetched" / f"{shard}.parquet"

    def left(self, shard: str) -> list[UPath]:
        """Directories of the shard's files that killed commands left."""
        parts = self.outcomes(shard).parent / ".parts"
        return sorted(parts.glob(f"{shard}-*"), key=str) if parts.is_dir() else []

    def done(self, rows: ShardRows) -> StepCounts | None:
        """Counts of a shard that is done; None when it is to be made."""
        stamp = read_stamp(self.outcomes(rows.shard))
        if (
            stamp is None
            or stamp.fingerprint != rows.fingerprint
            or not self.layout.shard(rows.shard).exists()
        ):
            return None
        return StepCounts.from_record(stamp.extra["counts"])

    def fetch(self, rows: ShardRows, known: Sequence[str] = ()) -> StepCounts:
        """Download what is not there yet, then write tar, tags and outcomes. Files of a killed command are kept.

        Args:
            rows: of the list.
            known: URLs that were fetched before. Where none of the shard's answers, they tell dead servers from a dead network.

        Raises:
            RetryableError: nobody answered, and none of the known ones does now.
        """
        directory = self._parts(rows)
        results = self._download(rows, directory)
        outcomes = [self._outcome(rows, place, results.get(place)) for place in range(len(rows.rows))]
        counts = _counts(outcomes)
        failed = [result for result in results.values() if isinstance(result, PassingFailureError)]
        if failed and not self._is_online(results.values(), known):
            raise RetryableError(
                f"shard {rows.shard}: none of its {counts.taken} URLs could be fetched, the last for this reason:"
                f" {failed[-1].reason}; look at the network and run the command again"
            )
        self._write(rows, directory, outcomes, counts)
        for leftover in self.left(rows.shard):
            remove_tree(leftover)
        return counts

    def _is_online(self, results: Collection[str | RejectedImageError], known: Sequence[str]) -> bool:
        """Whether one of the shard's own servers answered, or now one of the others."""
        if any(isinstance(each, str) or is_answer(each) for each in results):
            return True
        return any(map(self.downloader.answers, known))

    def fetched_from(self, shard: str) -> list[str]:
        """URLs of the shard that were fetched, one a host."""
        if read_stamp(self.outcomes(shard)) is None:
            return []
        rows = read_table(self.outcomes(shard), ["url", "outcome"]).to_pylist()
        hosts = {host_of(row["url"]): row["url"] for row in rows if row["outcome"] == "fetched"}
        return list(hosts.values())

    def reopen(self, rows: ShardRows) -> None:
        """Take the files of a shard that is done out of its tar again, so that `fetch` asks for those that are missing."""
        with tarfile.open(self.layout.shard(rows.shard).path) as tar:
            for info in tar:
                if (member := tar.extractfile(info)) is not None:
                    write_bytes(
                        self._parts(rows) / PurePosixPath(info.name).name,
                        member.read(),
                        durable=False,
                        crowded=True,
                    )

    def _parts(self, rows: ShardRows) -> UPath:
        return self.outcomes(rows.shard).parent / ".parts" / f"{rows.shard}-{rows.fingerprint}"

    def _download(self, rows: ShardRows, directory: UPath) -> dict[int, str | RejectedImageError]:
        """Name of the file, or why there is none, by place."""
        there = (
            {path.name.partition(".")[0]: path.name for path in directory.iterdir()}
            if directory.is_dir()
            else {}
        )
        results: dict[int, str | RejectedImageError] = {}
        wanted: list[int] = []
        for place in range(len(rows.rows)):
            if name := there.get(rows.key(place)):
                results[place] = name
            elif rows.is_first[place]:
                wanted.append(place)
        pool = ThreadPoolExecutor(self.downloader.limits.parallel, thread_name_prefix="autotag-fetch")
        try:
            waiting = {
                pool.submit(self._fetch_one, rows, place, directory): place
                for place in by_turns(rows, wanted)
            }
            for future in as_completed(waiting):
                results[waiting[future]] = future.result()
        except BaseException:
            self.downloader.stop()  # else an interruption waits for the slowest server
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return results

    def _fetch_one(self, rows: ShardRows, place: int, directory: UPath) -> str | RejectedImageError:
        try:
            data = self.downloader.fetch(rows.rows[place]["url"])
            extension = _EXTENSIONS[probe_image(data, self.limits).format]
        except RejectedImageError as error:
            return error
        name = f"{rows.key(place)}.{extension}"
        write_bytes(directory / name, data, durable=False, crowded=True)
        return name

    def _outcome(self, rows: ShardRows, place: int, result: str | RejectedImageError | None) -> _Row:
        row: _Row = {
            "row": rows.first_row + place,
            "url": rows.rows[place]["url"],
            "key": None,
            "size_bytes": None,
        }
        if result is None:
            return row | {"outcome": "duplicate", "reason": "the URL is in an earlier row"}
        if isinstance(result, RejectedImageError):
            return row | {"outcome": "rejected", "reason": str(result)}
        return row | {"outcome": "fetched", "reason": "", "key": rows.key(place), "file": result}

    def _write(self, rows: ShardRows, directory: UPath, outcomes: list[_Row], counts: StepCounts) -> None:
        kept = [row for row in outcomes if row["outcome"] == "fetched"]
        make_directory(directory)
        make_directory(self.layout.source_shards)
        tar = Path(directory.path) / "shard.tar"
        _write_tar(tar, Path(directory.path), kept)
        publish_file(tar, self.layout.shard(rows.shard))
        given = {row["row"]: rows.rows[row["row"] - rows.first_row] for row in kept}
        tags = [
            {
                "key": row["key"],
                "tags": given[row["row"]]["tags"] or [],
                "caption": given[row["row"]]["caption"],
            }
            for row in kept
        ]
        stamp = Stamp("fetched", "", rows.fingerprint, {"counts": counts.to_record()})
        write_table(self.layout.tags(rows.shard), pa.Table.from_pylist(tags, schema=TAGS), TAGS, stamp)
        told = [{name: row[name] for name in OUTCOMES.names} for row in outcomes]
        write_table(self.outcomes(rows.shard), pa.Table.from_pylist(told, schema=OUTCOMES), OUTCOMES, stamp)


def _counts(outcomes: Sequence[_Row]) -> StepCounts:
    counts = StepCounts(taken=len(outcomes), units=1)
    for row in outcomes:
        counts.made += row["outcome"] == "fetched"
        counts.rejected += row["outcome"] == "rejected"
        counts.duplicates += row["outcome"] == "duplicate"
    return counts.close("fetch")


def _write_tar(tar: Path, directory: Path, kept: Sequence[_Row]) -> None:
    """Members in the list's order, without times and owners: the same files make the same tar."""
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for row in kept:
            path = directory / row["file"]
            info = tarfile.TarInfo(row["file"])
            info.size = row["size_bytes"] = path.stat().st_size
            with path.open("rb") as stream:
                archive.addfile(info, stream)
