"""autotag why."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotag.cli.console import new_console
from autotag.cli.options import AsJson, Config
from autotag.cli.plain import FolderOf, Out, Root, open_folder
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.errors import UsageError

if TYPE_CHECKING:
    from autotag.pipeline.evidence_page import TaggedFile
    from autotag.review.evidence import TagEvidence

VOTES_SHOWN = 20


def why(
    file: Annotated[str, typer.Option("--file", help="The image: its name in the folder.")],
    root: Root = None,
    folder: FolderOf = "",
    tag: Annotated[
        str | None,
        typer.Option(
            "--tag",
            help="Explain this tag alone, or those whose last part it is; default all of them. A label also under its threshold.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Also write a page with the pictures that voted.")
    ] = None,
    out: Out = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Explain an image's tags: the box that earned each, and the archive images that voted for it."""
    from autotag.review.evidence import ZERO_SHOT, best_label, evidence_of, full_names
    from autotag.review.suggestions import outdated_evidence

    session, key = open_folder(root, folder, out, config)
    tables = session.layout.folder_tables(key)
    outdated = outdated_evidence(tables, key)
    asked = (full_names(tables, file, tag) or [tag]) if tag is not None else [None]
    known = [each for name in asked for each in evidence_of(tables, file, name)]
    evidence = [each for each in known if each.source not in outdated]
    image = _tagged_file(session, key, file)
    if sheet is not None:
        _write_sheet(session, sheet, image, evidence)
    if as_json:
        path = sheet.resolve() if sheet else None
        tags = [each.as_dict() for each in evidence]
        print_json(file=file, tags=tags, outdated=[*outdated.values()], sheet=path)
        return
    console = new_console()
    for sentence in outdated.values():
        console.print(f"[yellow]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
    for each in evidence:
        _print(console, each)
    if not evidence:
        best = None if ZERO_SHOT in outdated else best_label(tables, file)
        console.print(escape(f"{file}: {_nothing(tag, best)}"), highlight=False, soft_wrap=True)
    if sheet is not None:
        console.print(f"-> {escape(str(sheet.resolve()))}", highlight=False, soft_wrap=True)


def _nothing(tag: str | None, best: tuple[str, float] | None) -> str:
    """That there is nothing to explain, and what could be asked instead."""
    told = f"nothing speaks for {tag!r}" if tag is not None else "there is no tag to explain"
    if best is None:
        return told
    label, score = best
    return f"{told}; its best label is {label!r} with {score:.3f}: --tag LABEL explains any label, whatever its score"


def _tagged_file(session: Session, key: str, file: str) -> "TaggedFile":
    """The image in the folder's manifest.

    Raises:
        UsageError: it is not there.
    """
    from autotag.pipeline.evidence_page import TaggedFile
    from autotag.storage.tables import read_table

    path = session.layout.folder_tables(key).images
    rows = read_table(path, ["media_id"], made_by=f"target_images of {key}", span=("file", file, file))
    if not rows.num_rows:
        raise UsageError(f"--file {file}: {path} has no such image; give its name in the folder")
    return TaggedFile(session.layout.folder(key), file, rows["media_id"][0].as_py())


def _write_sheet(
    session: Session, sheet: Path, image: "TaggedFile", evidence: "Sequence[TagEvidence]"
) -> None:
    from upath import UPath

    from autotag.pipeline.evidence_page import write_evidence_page
    from autotag.review.source_pictures import SourcePictures
    from autotag.storage.images import ImageLimits

    images = session.settings.images
    limits = ImageLimits(images.max_bytes, images.max_pixels, images.min_side_px)
    pictures = SourcePictures(session.layout, limits)
    write_evidence_page(UPath(sheet.resolve()), image, evidence, pictures, limits)


def _print(console: Console, evidence: "TagEvidence") -> None:
    from autotag.pipeline.evidence_page import region_words

    earned = " and ".join(map(region_words, evidence.regions))
    head = (
        f"{escape(evidence.tag)}  [dim]{evidence.source} {evidence.score:.3f}, earned by {escape(earned)}[/]"
    )
    console.print(head, highlight=False, soft_wrap=True)
    if not evidence.votes:
        return
    table = Table(
        "share", "similarity", "shard", "key", "its box", "by region", box=None, header_style="bold"
    )
    for vote in evidence.votes[:VOTES_SHOWN]:
        cells = (vote.shard, vote.key, str(list(vote.box_xyxy_px)), str(vote.region_index))
        table.add_row(f"{vote.share:.2f}", f"{vote.similarity:.3f}", *map(escape, cells))
    console.print(table)
    if len(evidence.votes) > VOTES_SHOWN:
        console.print(f"[dim]and {len(evidence.votes) - VOTES_SHOWN} more[/]", highlight=False)
