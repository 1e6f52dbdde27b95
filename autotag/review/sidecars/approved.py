"""What a folder's sidecars are to say: approved tags by image, and which images are not those that were approved."""

from collections.abc import Mapping, Sequence
from typing import Any

from upath import UPath

from autotag.domain.ledger_entries import Standing
from autotag.settings import Settings
from autotag.storage.folder_files import list_files
from autotag.storage.layout import Layout


def approved_tags(
    layout: Layout, settings: Settings, images: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """Approved tags by file name, empty for an image without any.

    Args:
        layout: every path.
        settings: where the ledger is.
        images: rows of the folder's manifest, `file` and `media_id`.

    Raises:
        MissingInputError: there is no ledger.
    """
    from autotag.review.ledger.place import ledger_url
    from autotag.review.ledger.tag_ledger import TagLedger

    with TagLedger.open(ledger_url(settings, layout), must_exist=True) as ledger:
        effective = ledger.effective(sorted({image["media_id"] for image in images}))
    return {
        image["file"]: tuple(
            tag.tag for tag in effective.get(image["media_id"], ()) if tag.standing == Standing.APPROVED
        )
        for image in images
    }


def changed_images(folder: UPath, images: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Names of images that are other files by now, or gone, as size and time tell: none is read.

    Args:
        folder: where they lie.
        images: rows of its manifest, `file`, `size_bytes` and `mtime_ns`.

    Raises:
        MissingInputError: the folder is gone, or may not be read.
    """
    now = {file.name: (file.size_bytes, file.mtime_ns) for file in list_files(folder)}
    return frozenset(
        image["file"]
        for image in images
        if now.get(image["file"]) != (image["size_bytes"], image["mtime_ns"])
    )
