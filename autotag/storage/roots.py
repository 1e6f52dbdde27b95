"""From settings to roots: decides once which root is local and which is an object store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from autotag.errors import SettingsError, UnwritableRootError
from autotag.settings import Settings, user_cache_dir
from autotag.storage.layout import Layout


def layout_of(settings: Settings) -> Layout:
    """All roots of the settings, absolute.

    Raises:
        SettingsError: a root that has to be a local directory is a URI.
    """
    paths = settings.paths

    def root(named: str, default: UPath) -> UPath:
        return _resolve(named, settings.base) if named else default

    data = _resolve(paths.data, settings.base)
    layout = Layout(
        data=data,
        source_shards=root(paths.source_shards, data / "source" / "shards"),
        source_tags=root(paths.source_tags, data / "source" / "tags"),
        source_processed=root(paths.source_processed, data / "source" / "processed"),
        reference=root(paths.reference, data / "reference"),
        target=root(paths.target, data / "target"),
        target_processed=root(paths.target_processed, data / "target_processed"),
        catalog=root(paths.catalog, data / "catalog"),
        runs=root(paths.runs, data / "runs"),
        ingested=root(settings.serve.ingested, data / "ingested"),
        model_cache=_local("model_cache", root(paths.model_cache, UPath(user_cache_dir()))),
        weights=_local("weights", _resolve(paths.weights, settings.base)),
        target_only=settings.target.only,
    )
    _keep_apart(layout)
    return layout


def _keep_apart(layout: Layout) -> None:
    """What is the user's is never written to: no root of ours may be one of theirs, lie in it or hold it.

    A hidden directory among the target folders may be ours: such are never looked into for images.
    """
    theirs = {
        "target": layout.target / layout.target_only if layout.target_only else layout.target,
        "source_shards": layout.source_shards,
        "source_tags": layout.source_tags,
    }
    for ours in ("source_processed", "reference", "target_processed", "catalog", "runs", "ingested"):
        written = _parts(getattr(layout, ours))
        for name, root in theirs.items():
            read = _parts(root)
            shorter = min(len(written), len(read))
            hidden = name == "target" and any(part.startswith(".") for part in written[len(read) :])
            if written[:shorter] == read[:shorter] and not hidden:
                section = "serve" if ours == "ingested" else "paths"
                raise SettingsError(
                    f"[{section}] {ours} and {name} overlap ({getattr(layout, ours)}, {root}): {name} is only ever read;"
                    " give them places of their own"
                )


def _parts(path: UPath) -> tuple[str, ...]:
    return (str(getattr(path, "protocol", "")), *path.path.strip("/").split("/"))


def is_local(path: UPath) -> bool:
    """Whether the path is on this machine's file system."""
    return getattr(path, "protocol", "") in ("", "file", "local")


def make_directory(path: UPath) -> None:
    """Make a directory for output, with its parents.

    Raises:
        UnwritableRootError: the file system refuses.
    """
    with told_if_unwritable(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def told_if_unwritable(path: UPath) -> Iterator[None]:
    """What the file system refuses inside the block is told with the path and the remedy.

    Raises:
        UnwritableRootError: it refused.
    """
    try:
        yield
    except OSError as error:
        raise UnwritableRootError(
            f"{path}: cannot be written ({error.strerror or error}); make it writable or set another root"
            " under [paths]"
        ) from error


def _local(key: str, path: UPath) -> Path:
    if not is_local(path):
        raise SettingsError(
            f"paths.{key} = {str(path)!r}: networks are loaded from local files; name a local directory"
        )
    return Path(path.path)


def _resolve(named: str, base: Path) -> UPath:
    if "://" in named:
        # Workers write and the driver looks: a listing remembered from before would hide what is new.
        return UPath(named, use_listings_cache=False)
    return UPath((base / Path(named).expanduser()).resolve())
