"""Filters as OpenSearch queries. What they mean is `domain/catalog_filters.py`; here is only how it is asked.

Filters are asked of images by their own fields, and of objects by the copies that each object carries: inside a search of
nested vectors the server tells the two levels apart by the names of the fields, and a filter of both would match neither.
"""

from typing import Any

from autotag.catalog.opensearch.documents import class_step, microseconds
from autotag.catalog.opensearch.index_shape import OBJECTS
from autotag.catalog.rules import is_unicode
from autotag.domain.catalog_filters import CONFIDENCE_STEPS, CatalogFilter, least_step
from autotag.domain.identity import folder_key

Query = dict[str, Any]


def image_filter(where: CatalogFilter | None) -> Query:
    """Passes the images that pass."""
    return _all_of(where, "", _classes_of_image)


def objects_of_images_filter(where: CatalogFilter | None) -> Query:
    """Passes the objects of the images that pass."""
    return _all_of(where, f"{OBJECTS}.", _classes_of_image)


def object_filter(where: CatalogFilter | None) -> Query:
    """Passes the objects that pass themselves."""
    return _all_of(where, f"{OBJECTS}.", _class_of_object)


def _all_of(where: CatalogFilter | None, level: str, classes: Any) -> Query:
    if where is None or where == CatalogFilter():
        return {"match_all": {}}
    if not _can_be_stored(where):
        return {"match_none": {}}
    asked: Query = {"filter": _place_tags_and_dates(where, level)}
    if where.asks_objects:
        asked["filter"] += classes(where, level)
    if left_out := [each for each in where.without if is_unicode(each)]:
        asked["must_not"] = [{"terms": {f"{level}image_id": left_out}}]
    return {"bool": asked}


def _can_be_stored(where: CatalogFilter) -> bool:
    """Whether any image could pass: text that is no Unicode is in none."""
    classes_can = not where.classes or any(is_unicode(each) for each in where.classes)
    return classes_can and all(is_unicode(each) for each in where.tags) and is_unicode(_key(where.folder))


def _key(folder: str) -> str:
    try:
        return folder_key(folder)
    except UnicodeEncodeError:
        return folder


def _place_tags_and_dates(where: CatalogFilter, level: str) -> list[Query]:
    asked: list[Query] = []
    if where.folder:
        asked.append({"term": {f"{level}folder_paths": {"value": _key(where.folder)}}})
    asked += [{"term": {f"{level}tags": {"value": tag}}} for tag in where.tags]
    dates = {
        **({"gte": microseconds(where.since)} if where.since else {}),
        **({"lt": microseconds(where.until)} if where.until else {}),
    }
    return [*asked, {"range": {f"{level}date_us": dates}}] if dates else asked


def _classes_of_image(where: CatalogFilter, level: str) -> list[Query]:
    """An object of one of the classes with at least that confidence: one of the words it would have left."""
    least = least_step(where.min_confidence)
    if not where.classes:
        return [{"range": {f"{level}best_step": {"gte": least}}}]
    words = [
        class_step(name, step)
        for name in where.classes
        if is_unicode(name)
        for step in range(least, CONFIDENCE_STEPS + 1)
    ]
    return [{"terms": {f"{level}class_steps": words}}]


def _class_of_object(where: CatalogFilter, level: str) -> list[Query]:
    asked: list[Query] = [{"range": {f"{level}confidence_step": {"gte": least_step(where.min_confidence)}}}]
    if where.classes:
        asked.append({"terms": {f"{level}class_name": [each for each in where.classes if is_unicode(each)]}})
    return asked
