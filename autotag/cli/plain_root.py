"""A plain directory as target folders: which settings it stands for, and which folders below it hold images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotag.cli.inputs import RESULTS_NAME
from autotag.domain.identity import folder_key
from autotag.errors import MissingInputError, UnwritableRootError, UsageError

if TYPE_CHECKING:
    from upath import UPath

    from autotag.storage.layout import Layout


@dataclass(frozen=True, slots=True)
class FoundFolders:
    """Folders of a directory.

    Attributes:
        keys: partition keys of those that hold images, or did when they were last looked at.
        unreadable: why others could not be looked into, by their path.
    """

    keys: tuple[str, ...]
    unreadable: Mapping[str, str]


def plain_root(given: Path) -> Path:
    """The directory that `--root` names, absolute and without links.

    Raises:
        UsageError: it cannot be a folder of images.
        MissingInputError: it is not there.
    """
    root = given.expanduser().resolve()
    if not root.exists():
        raise MissingInputError(f"{given} is not there; --root takes a directory of images")
    if not root.is_dir():
        raise UsageError(f"--root {given}: that is a file; name the directory it lies in")
    if root == Path(root.anchor):
        raise UsageError(f"--root {given}: that is the whole file system; name a directory below it")
    try:
        str(root).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "--root: the path is not UTF-8; rename its directories, or name one through a link"
        ) from error
    return root


def root_settings(root: Path, out: Path | None) -> dict[str, Any]:
    """Settings that a plain directory stands for: it is the only target folder, and results go to `out`.

    Args:
        root: as `plain_root` gives it.
        out: directory of all results; None for a hidden one in the root.

    Raises:
        UsageError: results would lie among the images.
    """
    data = out.expanduser().resolve() if out else root / RESULTS_NAME
    if data.is_relative_to(root) and not any(part.startswith(".") for part in data.relative_to(root).parts):
        raise UsageError(
            f"--out {out}: that lies in {root}, whose folders are only ever read; name a place outside of it, or a"
            " hidden directory in it"
        )
    return {
        "paths.data": str(data),
        "paths.target": str(root.parent),
        "paths.target_processed": "",
        "paths.catalog": "",
        "paths.runs": "",
        "target.only": root.name,
    }


def refuse_unwritable(data: "UPath") -> None:
    """Make the directory of results.

    Raises:
        UnwritableRootError: it cannot be written; the message names `--out`.
    """
    from autotag.storage.roots import make_directory

    try:
        make_directory(data)
        probe = Path(data.path) / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another command that begins now may have taken it away
    except (UnwritableRootError, OSError) as error:
        cause = error.__cause__ if isinstance(error, UnwritableRootError) else error
        told = getattr(cause, "strerror", None) or str(cause)
        raise UnwritableRootError(
            f"{data}: cannot be written ({told}); name another place for the results with --out"
        ) from error


def folders_below(layout: "Layout") -> FoundFolders:
    """The directory itself and all folders below it that hold images; hidden ones and links are left out.

    Raises:
        MissingInputError: none of them holds an image.
        UnwritableRootError: the results of an earlier command may not be looked at.
    """
    from autotag.pipeline.discover_folders import find_folder, target_folder_paths

    root = layout.target / layout.target_only
    unreadable: dict[str, str] = {}

    def left_out(error: OSError) -> None:
        path = Path(error.filename).relative_to(layout.target.path).as_posix()
        unreadable[path] = (
            f"{error.filename} may not be read ({error.strerror}); give this user leave to read it"
        )

    paths = target_folder_paths(layout, left_out)
    try:
        keys = tuple(folder_key(path) for path in paths if find_folder(layout, path) is not None)
    except OSError as error:
        raise UnwritableRootError(
            f"{layout.data}: what is in it cannot be looked at ({error.strerror or error}); name another place for the"
            " results with --out"
        ) from error
    if not keys and not unreadable:
        raise MissingInputError(
            f"{root} holds no images, nor does any folder below it; images are files named .jpg, .png, .webp, .gif,"
            " .bmp, .tif and the like, and hidden folders and links are left out"
        )
    return FoundFolders(keys, unreadable)
