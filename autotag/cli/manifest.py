"""autotag manifest."""

import os
from pathlib import Path
from typing import Annotated

import typer

from autotag.cli.options import AsJson, Config
from autotag.cli.store import open_store, print_step, working
from autotag.errors import UsageError


def manifest(
    directories: Annotated[
        list[str],
        typer.Argument(help="Directories of images, with all folders below them. They are only ever read."),
    ],
    store: Annotated[
        str,
        typer.Option(
            "--store", help="The retrieval store: a directory of its own, made when it is not there."
        ),
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List images for retrieval in a store, once a content; again, for these directories, when files have changed."""
    from upath import UPath

    from autotag.pipeline.retrieval.look_at_files import LookAtFilesWorker
    from autotag.pipeline.retrieval.make_manifest import make_manifest
    from autotag.storage.images import ImageLimits

    if not all(each.strip() for each in directories):  # else it would stand for the working directory
        raise UsageError("a directory's name is empty; name directories of images")
    settings, layout = open_store(store, config)
    images = settings.images
    worker = LookAtFilesWorker(
        layout,
        ImageLimits(images.max_bytes, images.max_pixels, images.min_side_px),
        settings.ray.num_cpus or os.cpu_count() or 1,
        settings.compute.max_attempts,
    )
    roots = [
        UPath(each) if "://" in each else UPath(Path(each).expanduser().resolve()) for each in directories
    ]
    with working(layout, "manifest", as_json):
        counts = make_manifest(worker, roots)
    rejects = str(layout.rejects) if counts.rejected or counts.duplicates else None
    print_step("manifest", counts, as_json=as_json, path=str(layout.manifest), rejects=rejects)
