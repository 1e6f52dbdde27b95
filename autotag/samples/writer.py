"""Writes a sample corpus: shards, tags, target folders and the truth about them, the same bytes every time.

A marker file lists what was written, so that a sample can be written again over itself and nothing else is
ever replaced or removed.
"""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from upath import UPath

from autotag.domain.identity import shard_name
from autotag.errors import UsageError
from autotag.storage.tables import write_bytes

MARKER = ".autotag-sample.json"

_TEXTS = pa.list_(pa.string())
_TAGS = pa.schema([("key", pa.string()), ("tags", _TEXTS), ("caption", pa.string())])
_TRUTH = pa.schema([("file", pa.string()), ("tags", _TEXTS), ("caption", pa.string())])


@dataclass(frozen=True, slots=True, eq=False)
class SampleImage:
    """One image of a sample.

    Attributes:
        name: key in a shard, file name without extension in a folder; no dots, no slashes.
        jpeg: the file.
        tags: what it shows, each once.
        caption: a sentence; may be empty.
    """

    name: str
    jpeg: bytes
    tags: tuple[str, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was written.

    Attributes:
        root: the data root; `paths.data` of the settings.
        kind: `photos` or `stamps`.
        shards: names of the shards.
        images: images in all shards together.
        tags: distinct tags of the archive.
        folders: images of each target folder, by its path below the target root.
        size_bytes: of all files together.
    """

    root: Path
    kind: str
    shards: tuple[str, ...]
    images: int
    tags: int
    folders: dict[str, int]
    size_bytes: int


def write_sample(
    root: Path,
    kind: str,
    shards: Sequence[Sequence[SampleImage]],
    folders: Mapping[str, Sequence[SampleImage]],
) -> SampleSummary:
    """Write a sample below a data root, in place of an older one.

    `source/shards/<n>.tar` and `source/tags/<n>.parquet`, `target/<folder>/<name>.jpg`,
    `truth/<folder>.parquet` (file, tags, caption), where `evaluate` looks and no folder sensor does.

    Args:
        root: made if it is not there. Files in it that no sample wrote are left alone.
        kind: name of the sample.
        shards: images of each shard, in order.
        folders: images of each target folder.

    Raises:
        UsageError: the root holds something, but no sample.
        UnwritableRootError: the file system refuses.
    """
    older = _files_of_older_sample(root)
    files = _archive_files(shards) | _folder_files(folders)
    marker = {"kind": kind, "files": sorted(files)}
    # The marker goes first and names the older files too: a sample cut off half-way is still one.
    _write_marker(root, marker | {"files": sorted(files.keys() | older)})
    for name in sorted(older - files.keys()):
        (root / name).unlink(missing_ok=True)
    for name, data in files.items():
        write_bytes(UPath(root / name), data)
    _write_marker(root, marker)
    return SampleSummary(
        root=root,
        kind=kind,
        shards=tuple(shard_name(number) for number in range(len(shards))),
        images=sum(len(images) for images in shards),
        tags=len({tag for images in shards for image in images for tag in image.tags}),
        folders={folder: len(images) for folder, images in folders.items()},
        size_bytes=sum(len(data) for data in files.values()),
    )


def encode_jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """An RGB image as a JPEG file, without metadata."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def _files_of_older_sample(root: Path) -> set[str]:
    """Files an older sample wrote here, as paths below the root; empty for a new or empty root."""
    marker = root / MARKER
    try:
        if not marker.exists():
            if root.is_dir() and not any(root.iterdir()):
                return set()
            if not root.exists():
                return set()
            raise UsageError(
                f"{root} is not empty and holds no sample ({MARKER} is missing); give a new directory"
            )
        listed = json.loads(marker.read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(f"{marker} cannot be read ({error}); give a new directory") from error
    return {str(name) for name in listed if (root / str(name)).resolve().is_relative_to(root.resolve())}


def _write_marker(root: Path, marker: Mapping[str, object]) -> None:
    write_bytes(UPath(root / MARKER), json.dumps(marker, indent=1, ensure_ascii=False).encode("utf-8"))


def _archive_files(shards: Sequence[Sequence[SampleImage]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number, images in enumerate(shards):
        name = shard_name(number)
        files[f"source/shards/{name}.tar"] = _tar(images)
        files[f"source/tags/{name}.parquet"] = _table([image.name for image in images], images, _TAGS)
    return files


def _folder_files(folders: Mapping[str, Sequence[SampleImage]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for folder, images in folders.items():
        for image in images:
            files[f"target/{folder}/{image.name}.jpg"] = image.jpeg
        files[f"truth/{folder}.parquet"] = _table([f"{image.name}.jpg" for image in images], images, _TRUTH)
    return files


def _tar(images: Sequence[SampleImage]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for image in images:
            for extension, data in (("jpg", image.jpeg), ("txt", image.caption.encode("utf-8"))):
                info = tarfile.TarInfo(f"{image.name}.{extension}")  # time 0, owner 0: equal bytes every time
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _table(names: Sequence[str], images: Sequence[SampleImage], schema: pa.Schema) -> bytes:
    columns = [
        list(names),
        [list(image.tags) for image in images],
        [image.caption or None for image in images],
    ]
    stream = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), stream)
    return stream.getvalue()
