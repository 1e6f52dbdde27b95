"""Names of things: content hashes, shard names and ranges, folder keys, region ids, model ids."""

import hashlib
import re
from urllib.parse import unquote

from autotag.errors import UsageError

SHARD_DIGITS = 5

INGESTED_KEY = ".ingested"
"""Stands where a folder key does for images that came in through the API. `folder_key` gives it to no folder, also to none of that name."""

_ESCAPED = re.compile(
    r"\A\.(?=ingested\Z)|[\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff,%\"\\|\[\]*?<>]|\.(?=\.)|(?<=\.)\."
)


def media_id(data: bytes) -> str:
    """sha256 of the file's bytes, 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def region_id(media: str, index: int) -> str:
    """Name of the index-th region of an image; index 0 is the whole image."""
    return f"{media}-{index:03d}"


def shard_name(number: int) -> str:
    """`7` -> `00007`."""
    return f"{number:0{SHARD_DIGITS}d}"


def parse_shard_range(text: str) -> list[str]:
    """`00000..00003` or `00002` -> shard names, both ends included, ascending.

    Raises:
        UsageError: not a range of numbers, or it runs backwards.
    """
    match = re.fullmatch(r"([0-9]{1,5})(?:\.\.([0-9]{1,5}))?", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a shard range; write it like 00000..00003 or 00002")
    first = int(match[1])
    last = int(match[2] or match[1])
    if last < first:
        raise UsageError(f"{text!r} runs backwards; the smaller shard comes first")
    return [shard_name(number) for number in range(first, last + 1)]


def folder_key(rel_path: str) -> str:
    """Partition key of a folder: its path below the target root, with what Dagster cannot hold escaped.

    Control characters, commas, quotes, brackets, wildcards, `%` and any dot beside another dot become
    `%XX` (UTF-8 bytes); everything else stays readable. Bytes of a name that are no UTF-8, which Python
    shows as lone surrogates, are escaped as they are. The dot of a folder called as `INGESTED_KEY` is escaped, too.
    `folder_path` is the inverse.
    """
    return _ESCAPED.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")),
        rel_path,
    )


def folder_path(key: str) -> str:
    """Folder path below the target root that `folder_key` made `key` from."""
    return unquote(key, errors="surrogateescape")


def model_id(detector_fingerprint: str, embedder_fingerprint: str) -> str:
    """One name for what made a table: `<detector>+<embedder>`; safe as a directory name."""
    return f"{detector_fingerprint}+{embedder_fingerprint}"


def detector_of(model: str) -> str:
    """The detector's half of a model id."""
    return model.partition("+")[0]
