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
    """Some images of the shards with the detector's boxes and the recorded tags, as a picture in metadata."""
    from autotag.pipeline.contact_sheet_source import SOURCE_NOTE, source_sheet_items

    items = source_sheet_items(plan, shards, settings.sheet.images)
    return {SHEET: _picture(items, settings, SOURCE_NOTE)}


def folder_sheet(
    plan: "PipelinePlan", key: str, settings: Settings, summary: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Some images of a folder with their tags and the boxes that earned them; also a page beside tags.json."""
    from autotag.pipeline.contact_sheet_folder import read_folder_sheet
    from autotag.pipeline.contact_sheet_page import write_sheet_page

    sheet = read_folder_sheet(plan, key, settings.sheet.images)
    page = plan.layout.folder_tables(key).sheet
    write_sheet_page(page, f"Tags of {key}", sheet, summary)
    return {SHEET: _picture(sheet.items, settings, sheet.note), "page": dg.MetadataValue.path(str(page))}


def _picture(items: Sequence[Any], settings: Settings, note: str) -> dg.MarkdownMetadataValue:
    from autotag.pipeline.contact_sheet_tiles import sheet_jpeg, sheet_markdown

    return dg.MetadataValue.md(sheet_markdown(sheet_jpeg(items, settings.sheet.tile_px, COLUMNS, note)))
