"""WebDataset shards: plain tars read as a stream, member by member, never unpacked.

Owns what counts as an image member, what its key is, and the balance of what was seen.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from upath import UPath

from autotag.errors import BadShardError, CountsDoNotCloseError, MissingInputError, RetryableError
from autotag.storage.images import ImageLimits
from autotag.storage.roots import is_local
from autotag.storage.tar_stream import TarStream

IMAGE_EXTENSIONS = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"})


@dataclass(frozen=True, slots=True, eq=False)
class ShardMember:
    """One file of a shard.

    Attributes:
        key: WebDataset key: the path up to the first dot of the file name, without a leading `./`.
        member_name: the whole name in the tar.
        data: the file.
        offset_bytes: where `data` starts in the tar.
        size_bytes: its length.
    """

    key: str
    member_name: str
    data: bytes
    offset_bytes: int
    size_bytes: int


OTHER_EXTENSION = "other extension"
"""Reason of the ordinary case: captions and JSON beside the images."""


@dataclass(frozen=True, slots=True)
class ShardReject:
    """An image member that is not handed out; the fields of a row in rejects."""

    key: str
    offset_bytes: int
    stage: str
    reason: str


@dataclass(slots=True)
class ShardCounts:
    """What was in a shard. Closes as members = images + rejected + the sum of ignored.

    Attributes:
        members: headers of the tar.
        images: image members handed out.
        rejected: image members left out, each with a `ShardReject`.
        ignored: members that are no input, by reason.
    """

    members: int = 0
    images: int = 0
    rejected: int = 0
    ignored: dict[str, int] = field(default_factory=dict[str, int])

    def ignore(self, reason: str) -> None:
        """Count a member that is no input."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1

    def close(self, name: str) -> "ShardCounts":
        """Check the balance.

        Raises:
            CountsDoNotCloseError: a member went missing.
        """
        out = self.images + self.rejected + sum(self.ignored.values())
        if out != self.members:
            raise CountsDoNotCloseError(f"{name}: {self.members} members, but {out} accounted for: {self}")
        return self


class ShardReader:
    """Iterates once over the members of a shard; `counts` and `rejects` are complete when it ends.

    Attributes:
        counts: what was seen so far.
        rejects: image members left out so far, in tar order.
    """

    def __init__(self, stream: BinaryIO, name: str, limits: ImageLimits) -> None:
        """Begin to read the image members of a tar, in tar order; they need not stand side by side.

        Iterating raises `BadShardError` (not a plain tar, damaged, cut off) or `RetryableError` (reading failed).

        Args:
            stream: starts at the tar's first byte, is read forward only and is not closed here.
            name: of the file, for messages.
            limits: members above `max_bytes` are rejected without being read.
        """
        self.counts = ShardCounts()
        self.rejects: list[ShardReject] = []
        self._tar = TarStream(stream, name)
        self._name = name
        self._limits = limits
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[ShardMember]:
        for info in self._tar.headers():
            self.counts.members += 1
            member = self._member(info)
            if member is not None:
                yield member
        self.counts.close(self._name)

    def _member(self, info: tarfile.TarInfo) -> ShardMember | None:
        reason = _not_an_input(info)
        if reason:
            self.counts.ignore(reason)
            return None
        key, extension = split_member_name(info.name)
        if extension not in IMAGE_EXTENSIONS:
            self.counts.ignore(_other_extension(extension))
            return None
        refused = self._refused(info, key)
        if refused:
            self.rejects.append(ShardReject(_printable(key), info.offset_data, "read", refused))
            self.counts.rejected += 1
            return None
        self.counts.images += 1
        return ShardMember(key, info.name, self._tar.take(info), info.offset_data, info.size)

    def _refused(self, info: tarfile.TarInfo, key: str) -> str:
        if _printable(key) != key:
            return "the name is not UTF-8; rename the member"
        if key in self._seen:
            return f"{info.name}: another member of this shard has the same key; the first is kept"
        self._seen.add(key)
        if info.size > self._limits.max_bytes:
            return f"{info.size} bytes; at most {self._limits.max_bytes} are allowed"
        return ""


def read_member(shard: UPath, offset_bytes: int, size_bytes: int) -> bytes:
    """One member's bytes by their place in the tar, without reading the rest.

    Raises:
        MissingInputError: the shard is not there any more.
        BadShardError: it ends too early: it was changed after it was read.
        RetryableError: reading failed.
    """
    try:
        if is_local(shard):
            with shard.open("rb") as stream:
                stream.seek(offset_bytes)
                data = stream.read(size_bytes)
        else:
            end_bytes = offset_bytes + size_bytes
            data = cast("bytes", shard.fs.cat_file(shard.path, start=offset_bytes, end=end_bytes))
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{shard} is not there any more; put it back, or process the source anew"
        ) from error
    except OSError as error:
        raise RetryableError(
            f"{shard}: reading at byte {offset_bytes} failed ({error}); try again"
        ) from error
    if len(data) != size_bytes:
        raise BadShardError(
            f"{shard}: {size_bytes} bytes expected at byte {offset_bytes}, {len(data)} found: the file was"
            " changed after it was read; process this shard anew"
        )
    return data


def split_member_name(name: str) -> tuple[str, str]:
    """`dir/cat.seg.PNG` -> (`dir/cat`, `seg.png`). No dot in the file name: no extension."""
    directory, slash, file = _plain(name).rpartition("/")
    stem, _, extension = file.partition(".")
    return f"{directory}{slash}{stem}", extension.lower()


def _not_an_input(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "directory"
    if info.issym() or info.islnk():
        return "link"
    if info.type == tarfile.GNUTYPE_SPARSE:
        return "sparse file"
    if not info.isreg():
        return "device"
    parts = _plain(info.name).replace("\\", "/").split("/")
    if info.name.startswith(("/", "\\")) or parts[0][1:2] == ":":
        return "absolute name"
    if ".." in parts:
        return "name with .."
    if any(part.startswith(".") for part in parts) or "__MACOSX" in parts:
        return "hidden"
    return ""


def _other_extension(extension: str) -> str:
    if not extension:
        return "no extension"
    return "compound extension" if "." in extension else OTHER_EXTENSION


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _printable(text: str) -> str:
    """Bytes that are no UTF-8 are spelled out in hexadecimal, so that the text can be stored."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
