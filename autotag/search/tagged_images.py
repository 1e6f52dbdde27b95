"""Words that are a tag: what a search by words does not look at, and a filter would find."""

from dataclasses import replace

from autotag.catalog.protocol import Catalog, TagCount
from autotag.domain.catalog_filters import CatalogFilter

LONGEST_TAG = 200
"""Characters of words that are looked up; a sentence is no tag."""


def images_tagged(catalog: Catalog, words: str, where: CatalogFilter) -> TagCount | None:
    """The tag that words are, and how many images that pass a filter have it; None where none has.

    As they are written, in small letters or capitals, or with capital initials; of several such tags the most frequent.
    """
    name = " ".join(words.split())
    if not name or len(name) > LONGEST_TAG:
        return None
    spellings = dict.fromkeys((name, name.lower(), name.capitalize(), name.title(), name.upper()))
    counts = [TagCount(tag, catalog.count(_with_tag(where, tag))) for tag in spellings]
    best = max(counts, key=lambda each: each.images)
    return best if best.images else None


def _with_tag(where: CatalogFilter, tag: str) -> CatalogFilter:
    return replace(where, tags=tuple(dict.fromkeys((*where.tags, tag))))
