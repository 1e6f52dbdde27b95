"""Images in a folder and in the catalog of a service."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from autotag.domain.catalog_entries import CatalogImage
from autotag.pipeline.embed_one import EmbeddedUpload, embed_uploads
from autotag.serving.api.service import SearchService
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured

DAWN = datetime(2024, 1, 1, tzinfo=UTC)


def catalogued(
    service: SearchService,
    folders: Folders,
    folder: str,
    files: Mapping[str, bytes],
    tags: tuple[str, ...] = (),
) -> list[CatalogImage]:
    """Write files into a folder and catalog them, each added a day after the one before."""
    folders.make(folder, files)
    entries = []
    for number, (file, found) in enumerate(
        zip(files, embed_uploads(service.plan, list(files.values())), strict=True)
    ):
        assert isinstance(found, EmbeddedUpload), found
        entries.append(found.entry(folder, file, DAWN + timedelta(days=number), tags))
    service.catalog.upsert(entries)
    return entries


def colours(count: int = 4) -> dict[str, bytes]:
    """Files with a patch of a colour each."""
    names = ("red", "green", "blue", "yellow")
    return {
        f"{names[number % 4]}{number}.png": coloured(names[number % 4], number) for number in range(count)
    }
