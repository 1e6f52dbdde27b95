"""Contact sheets as metadata, and as pages that stand alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from autotag.settings import Settings

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan

COLUMNS = 4
SHEET = "contact sheet"


def source_sheet(plan: "PipelinePlan", shards: Sequence[str], settings: Settings) -> Mapping[str, Any]:
    """Some images of the shards with their boxes and recorded tags, as a picture in metadata."""
    from autotag.pipeline.contact_sheet import source_sheet_items
    from autotag.pipeline.contact_sheet_tiles import sheet_jpeg, sheet_markdown

    items = source_sheet_items(plan, shards, settings.sheet.images)
    return {SHEET: dg.MetadataValue.md(sheet_markdown(sheet_jpeg(items, settings.sheet.tile_px, COLUMNS)))}


def folder_sheet(
    plan: "PipelinePlan", key: str, settings: Settings, summary: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Some images of a folder with their boxes and voted tags; also written as a page beside tags.json."""
    from autotag.pipeline.contact_sheet import folder_sheet_items
    from autotag.pipeline.contact_sheet_page import write_sheet_page
    from autotag.pipeline.contact_sheet_tiles import sheet_jpeg, sheet_markdown

    items = folder_sheet_items(plan, key, settings.sheet.images)
    page = plan.layout.folder_tables(key).sheet
    write_sheet_page(page, f"Tags of {key}", items, summary)
    picture = sheet_markdown(sheet_jpeg(items, settings.sheet.tile_px, COLUMNS))
    return {SHEET: dg.MetadataValue.md(picture), "page": dg.MetadataValue.path(str(page))}
