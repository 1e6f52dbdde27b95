"""Filters as conditions of LanceDB. What they mean is `domain/catalog_filters.py`; a text is only ever a quoted literal."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from autotag.catalog.lance.columns import IMAGE_KIND, OBJECT_KIND
from autotag.catalog.protocol import Sought
from autotag.catalog.rules import is_unicode
from autotag.domain.catalog_entries import CatalogObject
from autotag.domain.catalog_filters import CONFIDENCE_STEPS, CatalogFilter, classes_with_steps, least_step
from autotag.domain.identity import folder_key, folder_path

NOTHING = "false"
_KINDS = {"image": f"kind = '{IMAGE_KIND}'", "object": f"kind = '{OBJECT_KIND}'"}


def matching(asked: CatalogFilter | None, sought: Sought) -> str:
    """The condition on rows that a search for `sought` may find; empty where all may be found."""
    parts = [_KINDS[sought]] if sought in _KINDS else []
    if asked is not None:
        parts += _of_image(asked)
        if asked.asks_objects:
            parts.append(_of_object(asked) if sought == "object" else _of_any_object(asked))
    return " AND ".join(parts)


def is_one_of(column: str, texts: Iterable[str]) -> str:
    """Rows whose column is one of the texts; no row for no text, or for texts that no row can hold."""
    listed = _listed(texts)
    return f"{column} IN ({listed})" if listed else NOTHING


def comes_after(column: str, text: str) -> str:
    """Rows whose column comes after the text."""
    return f"{column} > {_quoted(text)}" if is_unicode(text) else NOTHING


def class_marks(objects: Sequence[CatalogObject]) -> list[str]:
    """What is kept of an image's objects to find it by: `NN@class` with the best confidence of a class in hundredths, `@class`
    for the class at any confidence, and `NN` with the best of all.
    """
    steps = classes_with_steps(objects)
    marks = [mark for name, step in steps.items() for mark in (f"{step}@{name}", f"@{name}")]
    return [*marks, str(max(steps.values()))] if steps else []


def folders_above(folder: str) -> list[str]:
    """Keys of a folder, named by its key, and of all that it lies below."""
    path = folder_path(folder)
    ends = [place for place, sign in enumerate(path) if sign == "/"]
    return [folder_key(path[:end]) for end in (*ends, len(path))]


def _of_image(asked: CatalogFilter) -> list[str]:
    parts = []
    if asked.folder:
        parts.append(_has_all("below", [folder_key(asked.folder)]) if _is_folder(asked.folder) else NOTHING)
    if asked.tags:
        parts.append(_has_all("tags", asked.tags))
    parts += [f"date {sign} {_moment(at)}" for sign, at in ((">=", asked.since), ("<", asked.until)) if at]
    left_out = _listed(asked.without)
    if left_out:
        parts.append(f"image_id NOT IN ({left_out})")
    return parts


def _of_object(asked: CatalogFilter) -> str:
    strong = f"step >= {least_step(asked.min_confidence)}"
    return f"{is_one_of('class_name', asked.classes)} AND {strong}" if asked.classes else strong


def _of_any_object(asked: CatalogFilter) -> str:
    least = least_step(asked.min_confidence)
    steps = [""] if asked.classes and least == 0 else [str(n) for n in range(least, CONFIDENCE_STEPS + 1)]
    marks = [f"{step}@{name}" for name in asked.classes for step in steps] if asked.classes else steps
    listed = _listed(marks)
    return f"array_has_any(class_steps, [{listed}])" if listed else NOTHING


def _has_all(column: str, texts: Collection[str]) -> str:
    if not all(is_unicode(text) for text in texts):
        return NOTHING
    return f"array_has_all({column}, [{_listed(texts)}])"


def _is_folder(path: str) -> bool:
    """Whether a folder can have this path: a key escapes the bytes of broken names, and no name has other surrogates."""
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(_quoted(text) for text in texts if is_unicode(text))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _moment(at: datetime) -> str:
    return f"timestamp '{at.astimezone(UTC).isoformat(timespec='microseconds')}'"
