"""autotag scan, thumbs, embed, score, medoids, export, run: on any plain directory, or on a folder of the settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from autotag.cli.command_log import CommandLog
from autotag.cli.folder_runs import FolderRuns, FolderVerb, run_folders
from autotag.cli.folder_summary import print_failed, print_folders
from autotag.cli.inputs import refuse_missing
from autotag.cli.options import AsJson, Config
from autotag.cli.plain_root import FoundFolders, folders_below, plain_root, root_settings
from autotag.cli.session import Session
from autotag.cli.store import Store, embed_into
from autotag.cli.verb import make_home
from autotag.errors import UsageError

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="A directory with images, or with folders of images at any depth. The images are only ever read.",
    ),
]
FolderOf = Annotated[
    str,
    typer.Option(
        "--folder",
        help="Only this folder: its path below --root, . for the root itself; without --root, below the target root.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="Labels that images are scored against, one a line; default [labels] file."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold", min=-1, max=1, help="Least score of a label that is proposed; default [labels]."
    ),
]
TopK = Annotated[int | None, typer.Option("--topk", min=1, help="Labels shown an image; default [labels].")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="With --root: where results go; default .autotag in the root, which is hidden."
    ),
]

SCAN = ("target_images",)
THUMBS = ("thumbnails",)
EMBED = ("target_crops", "target_embeddings")
SCORE = ("label_scores", "tag_proposals")
MEDOIDS = ("folder_medoid",)
EXPORT = ("review_sheet",)

_VERBS = (
    (FolderVerb("scan", SCAN), "List the images of each folder: size, content hash, what cannot be read."),
    (FolderVerb("thumbs", THUMBS), "Make small pictures to look at, after scan."),
    (FolderVerb("embed", EMBED), "Find the regions of the images and embed them, after scan."),
    (FolderVerb("score", SCORE), "Score a list of labels against every image and propose tags, after embed."),
    (FolderVerb("medoids", MEDOIDS), "Find the image that stands for each folder, after embed."),
    (FolderVerb("export", EXPORT), "Write the CSV of each folder, review.csv, after scan."),
    (
        FolderVerb("run", SCAN + THUMBS + EMBED + SCORE + MEDOIDS + EXPORT),
        "From images to scored labels, proposed tags, medoids and CSV: all of these verbs but sidecars.",
    ),
)


def _command(verb: FolderVerb, told: str) -> Callable[..., None]:
    def command(
        root: Root = None,
        folder: FolderOf = "",
        labels: Labels = None,
        threshold: Threshold = None,
        topk: TopK = None,
        out: Out = None,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        overrides = label_settings(labels, threshold, topk)
        session, found = open_folders(root, folder, out, config, overrides)
        fail_for(run_verb(session, verb, found, as_json=as_json))

    command.__name__, command.__doc__ = verb.name, told
    return command


def _or_into_a_store(plain: Callable[..., None]) -> Callable[..., None]:
    """The verb `embed`, which works on a retrieval store where one is named."""

    def embed(
        root: Root = None,
        folder: FolderOf = "",
        labels: Labels = None,
        threshold: Threshold = None,
        topk: TopK = None,
        out: Out = None,
        store: Store = None,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        if store is None:
            plain(root, folder, labels, threshold, topk, out, config, as_json)
        elif root is not None or folder or out is not None:
            raise UsageError(
                "--store goes without --root, --folder and --out: autotag manifest names its images"
            )
        else:
            embed_into(store, config, as_json=as_json)

    embed.__doc__ = (
        f"{plain.__doc__}\n\nWith --store: embed what is new in a retrieval store, each image as a whole."
    )
    return embed


def run_verb(session: Session, verb: FolderVerb, found: FoundFolders, *, as_json: bool) -> FolderRuns:
    """Run a verb over folders, log it, and print the summary.

    Raises:
        AutotagError: nothing can be done with these settings or inputs.
    """
    refuse_missing(session, verb.assets, ())
    make_home(session)
    log = CommandLog(session.layout, session.settings, verb.name)
    runs = run_folders(session, verb, found.keys, log, as_json=as_json)
    for folder, sentence in found.unreadable.items():
        log.failure(folder, sentence)
        runs.failed[folder] = sentence
    print_folders(session, verb, runs, log, as_json=as_json)
    return runs


def fail_for(runs: FolderRuns) -> None:
    """Nothing where no folder failed.

    Raises:
        typer.Exit: some did; standard error names each.
    """
    if runs.failed:
        print_failed(runs)
        raise typer.Exit(1)


def label_settings(
    labels: Path | None, threshold: float | None = None, topk: int | None = None
) -> dict[str, Any]:
    """What the command line says of labels; the file is relative to the working directory."""
    given = {"labels.threshold": threshold, "labels.topk": topk}
    settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    return settings | ({"labels.file": str(labels.expanduser().absolute())} if labels else {})


def open_folders(
    root: Path | None, folder: str, out: Path | None, config: Path | None, overrides: Mapping[str, Any]
) -> tuple[Session, FoundFolders]:
    """The session, and the folders that the options name.

    Raises:
        UsageError: no folder, or none that may be named so.
        MissingInputError: a directory that is not there, or holds no images.
        SettingsError: the settings file, or what is laid over it.
    """
    if root is None and not folder:
        raise UsageError(
            "name a directory of images with --root, or with --folder a folder below the target root of the settings"
        )
    session = open_session(root, out, config, overrides)
    if folder:
        return session, FoundFolders((session.folder(folder),), {})
    return session, folders_below(session.layout)


def open_folder(root: Path | None, folder: str, out: Path | None, config: Path | None) -> tuple[Session, str]:
    """The session, and the key of the one folder that the options name; a root that has only one need not say which.

    A folder that is named may be gone by now: its results can still be looked at.

    Raises:
        UsageError: no folder, one of several, or none that may be named so.
        MissingInputError: a directory that is not there, or holds no images.
        SettingsError: the settings file.
    """
    if folder:
        session = open_session(root, out, config)
        return session, session.folder_key(folder)
    session, found = open_folders(root, folder, out, config, {})
    if len(found.keys) != 1:
        raise UsageError(
            f"{session.root} has {len(found.keys):,} folders that can be looked at; name one of them with --folder, its"
            " path below the root, or . for the root itself"
        )
    return session, found.keys[0]


def open_session(
    root: Path | None, out: Path | None, config: Path | None, overrides: Mapping[str, Any] | None = None
) -> Session:
    """The session of the settings, or of the plain directory where one is named.

    Raises:
        UsageError: a root that cannot be one, or a place for results that cannot.
        MissingInputError: the root is not there.
        SettingsError: the settings file, or what is laid over it.
    """
    if root is None:
        if out is not None:
            raise UsageError(f"--out {out} goes with --root; without it, results lie where [paths] says")
        return Session.open(config, overrides)
    directory = plain_root(root)
    return Session.open(config, {**(overrides or {}), **root_settings(directory, out)}, directory)


COMMANDS = {verb.name: _command(verb, told) for verb, told in _VERBS}
COMMANDS["embed"] = _or_into_a_store(COMMANDS["embed"])
"""Commands by name."""
