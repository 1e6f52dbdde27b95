"""What a verb needs, looked for before anything is made: shards, vectors, a folder's own files, a reference index."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from autotag.cli.session import Session
from autotag.domain.identity import folder_path
from autotag.errors import MissingInputError

if TYPE_CHECKING:
    from upath import UPath

FOLDERS_NAMED = 5

EARLIER_STEPS = {
    "thumbnails": ("target_images", "scan"),
    "target_crops": ("target_images", "scan"),
    "label_scores": ("target_embeddings", "embed"),
    "folder_medoid": ("target_embeddings", "embed"),
    "review_sheet": ("target_images", "scan"),
    "xmp_sidecars": ("target_images", "scan"),
    "tag_discovery": ("target_embeddings", "embed"),
}
"""What a step cannot do without, and the verb that makes it."""

RESULTS_NAME = ".autotag"
"""Directory in a plain directory where its results go unless `--out` names another."""


def refuse_missing(session: Session, assets: Sequence[str], partitions: Sequence[str]) -> None:
    """Look for what these assets start from; what only their steps can find out is left to them.

    Raises:
        MissingInputError: it is not there; the message says what to run or where to put it.
        BadLabelsError: the label list cannot be used.
    """
    if "source_images" in assets:
        _refuse_no_shard(session, partitions)
    if "faiss_index" in assets:
        from autotag.pipeline.build_reference import shards_to_index
        from autotag.pipeline.plan import plan_of

        shards_to_index(plan_of(session.settings))
    if "label_scores" in assets:
        from autotag.storage.label_files import label_file, read_labels

        read_labels(label_file(session.settings))
        _refuse_unfitted(session)
    for key in partitions:
        _refuse_no_earlier_step(session, assets, key)
        if "folder_tags" in assets:
            _refuse_no_reference(session, assets, key)
            _refuse_unfitted(session)
        if "target_images" in assets:
            _refuse_no_images(session, key)


def _refuse_no_earlier_step(session: Session, assets: Sequence[str], key: str) -> None:
    """A step that works on what another verb makes; a verb that makes both needs nothing."""
    tables = session.layout.folder_tables(key)
    made = {"target_images": tables.images, "target_embeddings": tables.embeddings}
    for asset, (upstream, verb) in EARLIER_STEPS.items():
        if asset in assets and upstream not in assets and not made[upstream].exists():
            raise MissingInputError(
                f"{made[upstream]} is not there; run this first:\n  autotag {verb} {words_of(session, key)}"
            )


def words_of(session: Session, key: str | None = None) -> str:
    """The options that lead another verb to the same results, and to a folder of them, as a shell reads them.

    Args:
        session: where results lie.
        key: of the folder; None for none.
    """
    words = ["--root", str(session.root)] if session.root else []
    path = folder_path(key) if key is not None else ""
    if path:
        words += ["--folder", (path.partition("/")[2] or ".") if session.root else path]
    if session.root and session.layout.data != session.layout.target / session.root.name / RESULTS_NAME:
        words += ["--out", str(session.layout.data)]
    if session.config:
        words += ["--config", str(session.config)]
    return shlex.join(words)


def _refuse_no_shard(session: Session, shards: Sequence[str]) -> None:
    """A shard that is missing among others fails by itself; the others are done."""
    root = session.layout.source_shards
    names = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if not any(session.layout.shard(shard).name in names for shard in shards):
        wanted = session.layout.shard(shards[0])
        others = f", nor is any other up to {shards[-1]}" if len(shards) > 1 else ""
        raise MissingInputError(
            f"{wanted} is not there{others}: put the archive's tars into {root}, name another place under [paths],"
            " or change [source] first_shard..last_shard"
        )


def _refuse_no_reference(session: Session, assets: Sequence[str], key: str) -> None:
    from autotag.pipeline.build_reference import embedded_shards
    from autotag.pipeline.plan import plan_of
    from autotag.storage.releases import current_version

    plan = plan_of(session.settings)
    if current_version(plan.layout.reference, plan.model_id) is not None:
        return
    verb = "process-target" if "target_images" in assets else "tag-target"
    commands = ["build-index", f"{verb} --folder {shlex.quote(folder_path(key))}"]
    if not embedded_shards(plan.layout.source(plan.model_id)):
        commands.insert(0, "segment-source")
    config = f" --config {shlex.quote(str(session.config))}" if session.config else ""
    lines = "\n".join(f"  autotag {command}{config}" for command in commands)
    raise MissingInputError(
        f"there is no reference index of {plan.model_id} in {plan.layout.reference}, so nobody could vote; run, in this"
        f" order:\n{lines}"
    )


def _refuse_unfitted(session: Session) -> None:
    """Thresholds that the settings ask for; to what an archive and people know, not to what a plain directory has."""
    if not session.settings.thresholds.target_precision:
        return
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.thresholds_in_use import refuse_unfitted

    try:
        refuse_unfitted(plan_of(session.settings), session.settings)
    except MissingInputError as error:
        if session.root:
            raise MissingInputError(
                f"[thresholds] target_precision asks for thresholds that are fitted to an archive, and {session.root} has"
                " none; set it to 0 for a plain directory"
            ) from error
        config = f" with --config {shlex.quote(str(session.config))}" if session.config else ""
        raise MissingInputError(f"{error}{config}") from error


def _refuse_no_images(session: Session, key: str) -> None:
    """A folder without images whose images lie in folders below it; one that was processed when it had some is let be.

    By names alone: whether a file without a suffix is an image, its step finds out, which has a journal.
    """
    from autotag.storage.folder_files import list_files

    folder, tables = session.layout.folder(key), session.layout.folder_tables(key)
    if tables.images.exists() or any(_may_be_an_image(file.name) for file in list_files(folder)):
        return
    below = list(islice(_folders_with_images(folder), FOLDERS_NAMED + 1))
    if below:
        named = ", ".join(shlex.quote(f"{folder_path(key)}/{path}") for path in below[:FOLDERS_NAMED])
        more = ", and more" if len(below) > FOLDERS_NAMED else ""
        raise MissingInputError(
            f"{folder} has no images of its own, going by names, and --folder takes the images directly in a folder;"
            f" folders below it that have some: {named}{more}"
        )


def _folders_with_images(folder: "UPath") -> Iterator[str]:
    from autotag.pipeline.discover_folders import folder_paths
    from autotag.storage.folder_files import list_files

    for path in folder_paths(folder):
        if any(_is_named_as_image(file.name) for file in list_files(folder / path)):
            yield path


def _may_be_an_image(name: str) -> bool:
    return _is_named_as_image(name) or not PurePosixPath(name).suffix


def _is_named_as_image(name: str) -> bool:
    from autotag.storage.folder_files import IMAGE_SUFFIXES

    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
