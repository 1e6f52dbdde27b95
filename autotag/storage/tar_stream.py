"""Walks the headers of a plain tar, forward only: pipes and object stores work, memory stays flat.

`tarfile` iterates too, but takes a damaged header inside the tar, and a missing end marker, for the end,
and would lose the rest in silence. Here both are errors. Single headers are still parsed by
`tarfile.TarInfo`; the extended ones (long names, pax, GNU) are followed here. Knows nothing of images.
"""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from autotag.errors import BadShardError, RetryableError

_BLOCK = tarfile.BLOCKSIZE
_REST_BYTES = 1 << 20
_END = bytes(_BLOCK)
_MAX_EXTENSION_BYTES = 1 << 20  # extended headers hold names; a larger one is damage or an attack
_SKIP_BYTES = 1 << 20
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
)
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
}


class TarStream:
    """A tar being read once, from its first byte.

    Attributes:
        offset_bytes: how far it was read.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """`name` is for messages; the stream need not be seekable and is not closed here."""
        self._stream = stream
        self._name = name
        self.offset_bytes = 0

    def headers(self) -> Iterator[tarfile.TarInfo]:
        """Members in order, with `name`, `size` and `offset_data` final.

        A sparse file keeps `tarfile.GNUTYPE_SPARSE` as its type, whichever way it is written. Between two
        members the caller may `take` the data of the first.

        Raises:
            BadShardError: not a plain tar, damaged or cut off.
            RetryableError: reading failed.
        """
        extended: dict[str, str] = {}
        while (block := self._block(first=self.offset_bytes == 0)) != _END:
            info = self._parsed(block)
            if info.type in _EXTENSIONS:
                extended |= self._extension(info)
                continue
            self._finish(info, block, extended)
            extended = {}
            after = info.offset_data + _padded(info.size) if _has_data(info) else info.offset_data
            yield info
            self._skip_to(after)
        self._check_rest()

    def _check_rest(self) -> None:
        """After the end marker a tar holds zeros only; two tars in one file would lose the second without a word."""
        at = self.offset_bytes
        while rest := self._read(_REST_BYTES):
            if rest.strip(b"\0"):
                raise BadShardError(
                    f"{self._name}: there is data after the end marker at byte {at}: is it several tars in one file?"
                    " Join them with a tar tool"
                )

    def take(self, info: tarfile.TarInfo) -> bytes:
        """The data of the member whose header came last.

        Raises:
            BadShardError: the tar ends inside it.
            RetryableError: reading failed.
        """
        data = self._read(info.size)
        if len(data) < info.size:
            raise self._cut_off(f"{info.name!r} should have {info.size} bytes, {len(data)} are there")
        return data

    def _block(self, *, first: bool) -> bytes:
        block = self._read(_BLOCK)
        if first:
            self._check_kind(block)
        if len(block) < _BLOCK:
            raise self._cut_off("the end marker is missing")
        return block

    def _check_kind(self, block: bytes) -> None:
        if not block:
            raise BadShardError(f"{self._name} is empty (0 bytes); write the shard again, or remove it")
        for magic, (kind, tool) in _COMPRESSED.items():
            if block.startswith(magic):
                raise BadShardError(
                    f"{self._name} is compressed with {kind}; shards are plain tars: unpack it with {tool}"
                )

    def _parsed(self, block: bytes) -> tarfile.TarInfo:
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise self._damaged(f"{error}") from error
        if info.size < 0:
            raise self._damaged(f"{info.name!r} has a negative size")
        return info

    def _extension(self, info: tarfile.TarInfo) -> dict[str, str]:
        if info.size > _MAX_EXTENSION_BYTES:
            raise self._damaged(f"an extended header of {info.size} bytes")
        payload = self.take(info)
        self._skip_to(self.offset_bytes - info.size + _padded(info.size))
        if info.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": payload.rstrip(b"\0").decode("utf-8", "surrogateescape")}
        if info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            try:
                return _pax_records(payload)
            except ValueError as error:
                raise self._damaged("an extended header that cannot be parsed") from error
        return {}

    def _finish(self, info: tarfile.TarInfo, block: bytes, extended: dict[str, str]) -> None:
        if info.type == tarfile.GNUTYPE_SPARSE:
            more = block[482]
            while more:
                more = self._block(first=False)[504]
        elif any(record.startswith("GNU.sparse.") for record in extended):
            info.type = tarfile.GNUTYPE_SPARSE
        info.name = extended.get("path", info.name)
        size = extended.get("size", str(info.size))
        if not size.isdecimal():
            raise self._damaged(f"{info.name!r} has the size {size!r}")
        info.size = int(size)
        info.offset_data = self.offset_bytes

    def _skip_to(self, offset: int) -> None:
        while self.offset_bytes < offset:
            if not self._read(min(_SKIP_BYTES, offset - self.offset_bytes)):
                raise self._cut_off(f"at least {offset} bytes are expected")

    def _read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        missing = size
        try:
            while missing and (piece := self._stream.read(missing)):  # pipes and sockets answer in pieces
                pieces.append(piece)
                missing -= len(piece)
        except OSError as error:
            raise RetryableError(
                f"{self._name}: reading stopped at byte {self.offset_bytes} ({error}); try again"
            ) from error
        self.offset_bytes += size - missing
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _damaged(self, what: str) -> BadShardError:
        return BadShardError(
            f"{self._name} cannot be read as a tar: {what}, before byte {self.offset_bytes};"
            " copy or write the shard again"
        )

    def _cut_off(self, what: str) -> BadShardError:
        return BadShardError(
            f"{self._name} is cut off at byte {self.offset_bytes}: {what}; copy or write the shard again"
        )


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _has_data(info: tarfile.TarInfo) -> bool:
    return info.isreg() or info.type not in tarfile.SUPPORTED_TYPES


def _pax_records(payload: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value><newline>`, the length counting the whole record."""
    records: dict[str, str] = {}
    at = 0
    while at < len(payload) and payload[at]:
        digits = payload[at : at + 20].partition(b" ")[0]
        end = at + int(digits)
        key, equals, value = payload[at + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or end > len(payload):
            raise ValueError("not a record")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at = end
    return records
