"""fetch: a list of URLs into the shards and tags of an archive. Each shard commits by itself."""

import time
from collections.abc import Iterator

from autotag.domain.counts import StepCounts
from autotag.domain.identity import SHARD_DIGITS, shard_name
from autotag.errors import MissingInputError, RetryableError, UsageError
from autotag.pipeline.fetching.fetch_shard import ShardFetcher
from autotag.pipeline.fetching.shard_rows import ShardRows
from autotag.pipeline.fetching.url_list import UrlList
from autotag.pipeline.progress import StepProgress
from autotag.storage.fingerprints import fingerprint
from autotag.storage.layout import Layout
from autotag.storage.locks import Lock, held
from autotag.storage.tables import read_stamp, read_table

STEP = "fetch"

KNOWN_HOSTS = 5
"""Hosts that answered before, which are asked again where nobody else does."""


def fetch_list(
    fetcher: ShardFetcher, urls: UrlList, shard_images: int, *, retry_failed: bool = False
) -> StepCounts:
    """Fetch all shards that are not there yet, one after the other.

    Args:
        fetcher: makes a shard.
        urls: the list; row n becomes key n, so a list may grow at its end.
        shard_images: rows a shard.
        retry_failed: ask again for what was rejected in shards that are done.

    Raises:
        MissingInputError: the list is empty.
        UsageError: the place holds shards of another list, or there would be too many shards.
        RetryableError: of a shard nobody answered, nor any server that did before; the shards before are done.
        InUseError: another command fetches into the same place.
    """
    started, total = time.perf_counter(), StepCounts()
    rows, images = urls.rows.num_rows, shard_images
    if not rows:
        raise MissingInputError("the list has no row")
    if rows > images * 10**SHARD_DIGITS:
        raise UsageError(f"{rows:,} URLs make more shards than have names; raise --shard-images")
    with held(fetch_lock(fetcher.layout)):
        shards = -(-rows // images)
        _refuse_others(fetcher, shards)
        progress = StepProgress(STEP, rows, [])
        silent: ShardRows | None = None
        known: list[str] = []
        try:
            for shard in _shards(urls, images):
                try:
                    counts = _fetched(fetcher, shard, known, retry_failed=retry_failed)
                except RetryableError:
                    if known or silent or shards == 1:  # the network is away; or one shard's servers may be
                        raise
                    silent = shard
                    continue
                total.add(counts)
                progress.unit_done(shard.shard, counts)
                known = [*fetcher.fetched_from(shard.shard)[:KNOWN_HOSTS], *known][:KNOWN_HOSTS]
            if silent:
                counts = fetcher.fetch(silent, known)
                total.add(counts)
                progress.unit_done(silent.shard, counts)
        finally:
            progress.stop()
        progress.close(total)
    total.seconds = time.perf_counter() - started
    return total.close(STEP)


def _fetched(fetcher: ShardFetcher, shard: ShardRows, known: list[str], *, retry_failed: bool) -> StepCounts:
    """Counts of a shard, which is made unless it is done."""
    has_grown = _has_grown(fetcher, shard)
    counts = fetcher.done(shard)
    if has_grown or (counts and counts.rejected and retry_failed):
        fetcher.reopen(shard)
        counts = None
    return counts or fetcher.fetch(shard, known)


def fetch_lock(layout: Layout) -> Lock:
    """Of the place that shards are fetched to."""
    return Lock(layout.source_shards.parent / "fetched" / ".lock", f"fetching into {layout.data}")


def _shards(urls: UrlList, images: int) -> Iterator[ShardRows]:
    for number, first in enumerate(range(0, urls.rows.num_rows, images)):
        rows = urls.rows.slice(first, images).to_pylist()
        is_first = urls.is_first[first : first + images].tolist()
        made_from = fingerprint(first=first, rows=rows, is_first=is_first)
        yield ShardRows(shard_name(number), first, rows, is_first, made_from)


def _refuse_others(fetcher: ShardFetcher, shards: int) -> None:
    """Shards beyond those of the list, and shards that nobody fetched."""
    root = fetcher.layout.source_shards
    for path in sorted(root.glob("*.tar"), key=str) if root.is_dir() else ():
        name = path.name.removesuffix(".tar")
        if not name.isdecimal() or int(name) >= shards or not _may_be_ours(fetcher, name):
            raise UsageError(f"{path} was not fetched from this list; name another place with --out")


def _may_be_ours(fetcher: ShardFetcher, shard: str) -> bool:
    """A shard without outcomes is of a command that was killed between the two, if its files are still there."""
    return read_stamp(fetcher.outcomes(shard)) is not None or bool(fetcher.left(shard))


def _has_grown(fetcher: ShardFetcher, shard: ShardRows) -> bool:
    """Whether the shard was made from the first of these URLs, and others are to be told of now; its files are in its tar.

    Raises:
        UsageError: it was made from other URLs.
    """
    path = fetcher.outcomes(shard.shard)
    stamp = read_stamp(path)
    if stamp is None or stamp.fingerprint == shard.fingerprint:
        return False
    before = read_table(path, ["url"])["url"].to_pylist()
    if before != [row["url"] for row in shard.rows[: len(before)]]:
        raise UsageError(
            f"{path} tells of other URLs: this place was fetched from another list, or with another --shard-images; name"
            " another with --out"
        )
    return fetcher.layout.shard(shard.shard).exists()
