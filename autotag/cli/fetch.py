"""autotag fetch."""

import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from autotag.cli.options import AsJson, Config
from autotag.cli.store import print_step, showing_work
from autotag.errors import UsageError


def fetch(
    urls: Annotated[Path, typer.Argument(help="A Parquet table with a column of URLs.")],
    out: Annotated[
        Path, typer.Option("--out", help="Data root of the archive: shards and tags go below its source/.")
    ],
    url_column: Annotated[str, typer.Option(help="Column with the URLs.")] = "url",
    caption_column: Annotated[str, typer.Option(help="Column with captions, if it is there.")] = "caption",
    tags_column: Annotated[str, typer.Option(help="Column with lists of tags, if it is there.")] = "tags",
    shard_images: Annotated[int, typer.Option(min=1, help="Rows of the list a shard.")] = 1000,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Larger files are refused while they arrive.")
    ] = 50_000_000,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Longest wait for the next byte.")] = 10.0,
    total_s: Annotated[float, typer.Option(min=0.1, help="Longest time for a whole file.")] = 60.0,
    retries: Annotated[int, typer.Option(min=0, help="More tries where a failure may pass.")] = 2,
    per_host: Annotated[int, typer.Option(min=1, help="Connections to one host at a time.")] = 4,
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Connections in all.")] = 16,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for what was rejected in shards that are done.")
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also ask addresses of your own network and machine.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a list of URLs with captions into shards and tags that segment-source reads."""
    from upath import UPath

    from autotag.pipeline.fetching.download import Downloader, DownloadLimits
    from autotag.pipeline.fetching.fetch_list import fetch_list
    from autotag.pipeline.fetching.fetch_shard import ShardFetcher
    from autotag.pipeline.fetching.url_list import UrlColumns, read_url_list
    from autotag.settings import Settings
    from autotag.storage.images import ImageLimits
    from autotag.storage.roots import layout_of

    root = out.expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise UsageError(f"--out {out}: that is a file; name a directory")
    here = {"paths.data": str(root), "paths.source_shards": "", "paths.source_tags": ""}
    settings = Settings.load(config, here)
    layout, images = layout_of(settings), settings.images
    table = read_url_list(
        UPath(urls.expanduser().absolute()), UrlColumns(url_column, caption_column, tags_column)
    )
    limits = DownloadLimits(max_bytes, timeout_s, total_s, retries + 1, per_host, parallel, allow_private)
    with closing(Downloader(limits)) as downloader:
        fetcher = ShardFetcher(
            layout, downloader, ImageLimits(images.max_bytes, images.max_pixels, images.min_side_px)
        )
        with showing_work("fetch", as_json):
            counts = fetch_list(fetcher, table, shard_images, retry_failed=retry_failed)
    last = counts.units - 1
    rejects = str(fetcher.outcomes("00000").parent) if counts.rejected or counts.duplicates else None
    following = f"AUTOTAG_PATHS__DATA={shlex.quote(str(root))} AUTOTAG_SOURCE__LAST_SHARD={last} autotag segment-source"
    following += f" --config {shlex.quote(str(config))}" if config else ""
    print_step(
        "fetch", counts, as_json=as_json, path=str(layout.source_shards), rejects=rejects, next=following
    )
