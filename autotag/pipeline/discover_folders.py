"""Which folders lie below the target root, which changed since they were processed, and which are quiet."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upath import UPath

from autotag.domain.identity import folder_key
from autotag.errors import MissingInputError
from autotag.storage.folder_files import IMAGE_SUFFIXES, FolderFile, folder_signature, list_files
from autotag.storage.folder_tables import FolderTables
from autotag.storage.layout import Layout
from autotag.storage.roots import is_local
from autotag.storage.tables import read_stamp

OnError = Callable[[OSError], None]


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder that holds images, or held some when it was processed.

    Attributes:
        key: its partition key.
        signature: changes when a file does.
        version: changes with every change, also one that is undone later.
        changed_s: when it last changed, seconds since the epoch; 0 where the store does not say.
        tagged_by: model id of its tags; empty where there are none, or the folder changed since.
        results: changes when its tags or their evidence are made again; empty where there are neither.
    """

    key: str
    signature: str
    version: str
    changed_s: float
    tagged_by: str
    results: str

    def is_quiet(self, now_s: float, quiet_s: float, first_seen_s: float) -> bool:
        """Whether nothing changed for `quiet_s`.

        Args:
            now_s: seconds since the epoch, by this machine's clock.
            quiet_s: how long.
            first_seen_s: when this version was first seen. It dates a change that a clock ahead of this
                machine's has put in the future.
        """
        return now_s - min(self.changed_s, first_seen_s) >= quiet_s


def target_folder_paths(layout: Layout, on_error: OnError | None = None) -> Iterator[str]:
    """Paths below the target root of the folders in use: all, or what `[target] only` names and what lies below it."""
    only = layout.target_only
    if only and (layout.target / only).is_dir():
        yield only
    for path in folder_paths(layout.target / only if only else layout.target, on_error):
        yield f"{only}/{path}" if only else path


def folder_paths(root: UPath, on_error: OnError | None = None) -> Iterator[str]:
    """Paths below the root of all folders, in order of their parts; hidden folders and links left out. No root, no folders.

    Args:
        root: where to look.
        on_error: told of local folders that may not be looked into, which are left out.
    """
    if is_local(root):
        for directory, names, _ in os.walk(str(root), onerror=on_error):
            names[:] = sorted(name for name in names if not name.startswith("."))
            relative = os.path.relpath(directory, str(root))
            if relative != ".":
                yield PurePosixPath(relative).as_posix()
    elif root.exists():
        base = root.path.rstrip("/") + "/"
        walked = [str(name) for name, _, _ in root.fs.walk(root.path)]
        found = [name.removeprefix(base) for name in walked if name.startswith(base)]
        for parts in sorted(PurePosixPath(path).parts for path in found):
            if not any(part.startswith(".") for part in parts):
                yield "/".join(parts)


def find_folder(layout: Layout, path: str) -> FoundFolder | None:
    """Look at one folder; None when it holds no image of its own and never did, or is gone.

    Raises:
        OSError: its results may not be looked at.
    """
    folder = layout.target / path
    try:
        files = list_files(folder)
        touched_ns = Path(folder.path).stat().st_mtime_ns if is_local(folder) else 0
    except (MissingInputError, FileNotFoundError):
        return None
    key, signature = folder_key(path), folder_signature(files)
    tables = layout.folder_tables(key)
    if not any(_is_named_as_image(file) for file in files) and not tables.images.exists():
        return None
    changed_ns = max([touched_ns, *(file.mtime_ns for file in files)])
    made_s = [_changed_s(path) for path in (tables.images, tables.evidence, tables.tags)]
    return FoundFolder(
        key=key,
        signature=signature,
        version=f"{signature}-{touched_ns:x}",
        changed_s=changed_ns / 1e9,
        tagged_by=_tagged_by(tables, signature, made_s),
        results="-".join(map(str, made_s[1:])) if any(made_s[1:]) else "",
    )


def _changed_s(file: UPath) -> float:
    """When a file was written, seconds since the epoch; 0 where there is none."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _tagged_by(tables: FolderTables, signature: str, made_s: Sequence[float]) -> str:
    """Model id of the tags; empty without tags, or where they are older than a manifest of this signature.

    It is read from the evidence, which is written with the tags, just before them: tags of a folder are
    megabytes of JSON, a table's stamp is in its footer.

    Args:
        tables: of the folder.
        signature: of its files now.
        made_s: when manifest, evidence and tags were written, seconds since the epoch; 0 for none.
    """
    if not all(made_s) or made_s[-1] < max(made_s):
        return ""
    manifest = read_stamp(tables.images)
    if manifest is None or manifest.extra.get("signature") != signature:
        return ""
    evidence = read_stamp(tables.evidence)
    return evidence.model_id if evidence else ""


def _is_named_as_image(file: FolderFile) -> bool:
    return PurePosixPath(file.name).suffix.lower() in IMAGE_SUFFIXES
