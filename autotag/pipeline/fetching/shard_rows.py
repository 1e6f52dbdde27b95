"""Rows of a list that become one shard, and what is written of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

OUTCOMES = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("key", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64()),
    ]
)
"""One row a row of the list, in its order: `fetched` with its key, `rejected` with the reason, or `duplicate`."""

TAGS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("caption", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class ShardRows:
    """Rows of the list that become a shard.

    Attributes:
        shard: its name.
        first_row: of the list.
        rows: url, caption and tags of each.
        is_first: whether the URL was in no row before.
        fingerprint: of all this; limits may change between two commands.
    """

    shard: str
    first_row: int
    rows: Sequence[dict[str, Any]]
    is_first: Sequence[bool]
    fingerprint: str

    def key(self, place: int) -> str:
        """Name in the shard: the row's number in the list."""
        return f"{self.first_row + place:09d}"


def by_turns(rows: ShardRows, places: Sequence[int]) -> Iterator[int]:
    """Places so that hosts take turns: a thread that waits for a busy host does nothing else."""
    hosts: defaultdict[str, list[int]] = defaultdict(list)
    for place in places:
        hosts[host_of(rows.rows[place]["url"])].append(place)
    for turn in range(max(map(len, hosts.values()), default=0)):
        yield from (found[turn] for found in hosts.values() if turn < len(found))


def host_of(url: str) -> str:
    """Host and port of a URL; empty where it is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
