"""Files below some directories that may be images, unread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
from upath import UPath

from autotag.domain.store_schemas import LISTED_FILES
from autotag.errors import MissingInputError, UsageError
from autotag.pipeline.discover_folders import folder_paths
from autotag.storage.folder_files import IMAGE_SUFFIXES, list_files, printable
from autotag.storage.store_layout import StoreLayout


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below some directories.

    Attributes:
        files: `LISTED_FILES`, by path, none twice.
        unnamable: paths that are no UTF-8, spelled out.
        others: how many files are no images by their names.
    """

    files: pa.Table
    unnamable: tuple[str, ...]
    others: int


def listed_files(directories: Sequence[UPath], store: StoreLayout) -> Listing:
    """List them.

    Files that are named as images, and those without a suffix, may be some. Hidden files and folders and links are left
    out.

    Raises:
        MissingInputError: a directory is not there, or may not be read.
        UsageError: the store lies visibly among the images.
    """
    found: dict[str, tuple[int, int]] = {}
    others: set[str] = set()
    for directory in directories:
        _refuse_store_inside(directory, store)
        for path, name, size_bytes, mtime_ns in _files_below(directory):
            if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES or not PurePosixPath(name).suffix:
                found[path] = (size_bytes, mtime_ns)
            else:
                others.add(path)
    names = sorted(name for name in found if printable(name) == name)
    sizes, times = [found[name][0] for name in names], [found[name][1] for name in names]
    unnamable = sorted(printable(name) for name in found if printable(name) != name)
    return Listing(pa.table([names, sizes, times], schema=LISTED_FILES), tuple(unnamable), len(others))


def _files_below(directory: UPath) -> Iterator[tuple[str, str, int, int]]:
    if not directory.is_dir():
        raise MissingInputError(f"{directory} is not there, or no directory; name directories of images")

    def refuse(error: OSError) -> None:
        raise MissingInputError(
            f"{error.filename} may not be read ({error.strerror}); give this user leave to read it"
        ) from error

    for folder in (directory, *(directory / path for path in folder_paths(directory, refuse))):
        for file in list_files(folder):
            yield f"{str(folder).rstrip('/')}/{file.name}", file.name, file.size_bytes, file.mtime_ns


def _refuse_store_inside(directory: UPath, store: StoreLayout) -> None:
    above, inside = str(directory).rstrip("/") + "/", str(store.root)
    if (inside + "/").startswith(above) and not any(
        part.startswith(".") for part in PurePosixPath(inside.removeprefix(above)).parts
    ):
        raise UsageError(
            f"the store {store.root} lies in {directory}, which is only ever read; name a place outside of it, or a hidden"
            " directory in it"
        )
