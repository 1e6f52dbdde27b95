"""The two ways to ask for images like a picture, as JSON and as a form: read, and described for the API's documentation."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from autotag.serving.api.queries import SimilarQuery

_SCHEMAS = "#/components/schemas/{model}"
_LISTS = ("tags", "classes", "unlike")
_BOX = "box_xyxy_px"
_RANGE, _DATES = "date_range", ("since", "until")
"""How the JSON body asks for dates, and how a form does, whose fields hold no fields."""


def similar_of_json(body: bytes) -> SimilarQuery:
    """The request in a JSON body.

    Raises:
        RequestValidationError: it is none.
    """
    return _checked(lambda: SimilarQuery.model_validate_json(body))


def similar_of_form(fields: Mapping[str, Sequence[str]]) -> SimilarQuery:
    """The request in the texts of a form: lists as fields that come again, a box also as `x0,y0,x1,y1`, empty fields as none.

    Raises:
        RequestValidationError: it is none.
    """
    _refuse_unknown(fields)
    values: dict[str, Any] = {}
    for name, texts in fields.items():
        if name in _LISTS:
            values[name] = [text for text in texts if text]
        elif name == _BOX:
            values[name] = [part for text in texts for part in text.strip("[] ").split(",") if part]
        elif any(texts):
            values[name] = texts[0] if len(texts) == 1 else list(texts)
    dates = {name: values.pop(name) for name in _DATES if name in values}
    if dates:
        values[_RANGE] = dates
    if not values.get(_BOX):
        values.pop(_BOX, None)
    return _checked(lambda: SimilarQuery.model_validate(values))


def json_schema() -> dict[str, Any]:
    """Of the JSON body; what it refers to is among the components that other requests bring."""
    schema = SimilarQuery.model_json_schema(ref_template=_SCHEMAS)
    schema.pop("$defs", None)
    return schema


def form_schema() -> dict[str, Any]:
    """Of the form: the file, and the fields of the JSON body."""
    asked = json_schema()["properties"]
    date = {"type": "string", "format": "date-time"}
    file = {
        "type": "string",
        "format": "binary",
        "description": "An image file; what it is, its content decides.",
    }
    properties = {"file": file, **{name: asked[name] for name in _asked()}, **dict.fromkeys(_DATES, date)}
    return {"title": "SimilarForm", "type": "object", "properties": properties, "additionalProperties": False}


def _asked() -> list[str]:
    """Fields of the JSON body that a form has, too."""
    return [name for name in SimilarQuery.model_fields if name != _RANGE]


def _refuse_unknown(fields: Collection[str]) -> None:
    """The query itself would name the fields of the JSON body."""
    known = [*_asked(), *_DATES]
    there_are = f"there is no such field here; there are file, {', '.join(known)}"
    errors = [
        {
            "type": "extra_forbidden",
            "loc": ("body", name),
            "msg": "send a file here, with a file name" if name == "file" else there_are,
        }
        for name in fields
        if name not in known
    ]
    if errors:
        raise RequestValidationError(errors)


def _checked(make: Callable[[], SimilarQuery]) -> SimilarQuery:
    try:
        return make()
    except ValidationError as error:
        told = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(told) from error
