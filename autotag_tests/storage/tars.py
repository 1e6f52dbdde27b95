"""Tars in memory, and a reader of them."""

import io
import tarfile
from collections.abc import Iterable

from autotag.storage.images import ImageLimits
from autotag.storage.shards import ShardReader

LIMITS = ImageLimits()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """A header."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar(files: Iterable[tuple[str | tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """The bytes of a tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format, errors="surrogateescape") as archive:
        for name, data in files:
            info = member(name) if isinstance(name, str) else name
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def reader(data: bytes) -> ShardReader:
    """A reader of these bytes."""
    return ShardReader(io.BytesIO(data), "00000.tar", LIMITS)
