"""Why no image of the catalog passes a filter."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotag.catalog.protocol import Catalog
    from autotag.domain.catalog_filters import CatalogFilter


def unmet_words(catalog: "Catalog", where: "CatalogFilter") -> str:
    """The conditions that no image at all meets; empty where there is no condition to blame."""
    from autotag.domain.catalog_filters import CatalogFilter

    if not catalog.count():
        return "the catalog is empty; autotag catalog --all brings embedded folders in"
    if where == CatalogFilter():
        return ""
    unmet = [_no_tag(catalog, tag) for tag in where.tags if not catalog.count(CatalogFilter(tags=(tag,)))]
    if where.classes and not catalog.count(CatalogFilter(classes=where.classes)):
        named = " or ".join(f"'{name}'" for name in where.classes)
        unmet.append(f"no image has an object of the class {named}")
    if where.folder and not catalog.count(CatalogFilter(where.folder)):
        unmet.append(
            f"no catalogued image lies in '{where.folder}'; a folder comes in by autotag catalog --folder"
        )
    return "; ".join(unmet) or "no image passes all of the filters; leave one of them out"


def _no_tag(catalog: "Catalog", tag: str) -> str:
    from autotag.domain.catalog_filters import CatalogFilter
    from autotag.search.tagged_images import images_tagged

    other = images_tagged(catalog, tag, CatalogFilter())
    if other is None:
        return f"no image has the tag '{tag}'; autotag catalog status names the most frequent ones"
    return f"no image has the tag '{tag}'; there is '{other.tag}'"
