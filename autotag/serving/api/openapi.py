"""The description of the API: FastAPI's own, with the errors as they really are."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from autotag.serving.api.problems import CONTENT_TYPE, TYPES, Problem, WrongPlace, phrase_of

TAGS = [
    {"name": "search", "description": "Find images by words, by pictures, by objects in them, by filters."},
    {"name": "catalog", "description": "What is in the catalog: images, their pictures, tags."},
    {"name": "ingest", "description": "Add images, and take them away again."},
    {"name": "health", "description": "For those who watch the service."},
]

FIRST = "/search/text"

ABOUT = """Search over your own images (`over=catalog`) and over the tagged archive (`over=reference`).

Errors are problems of RFC 9457 (`application/problem+json`): `detail` says what was wrong and what to do. An answer 503 says in
`Retry-After` when to come back. An answer of no hits with a `best_score` below its `cut` means: nothing here fits; `min_score`
asks for the best hits all the same.
"""

ERRORS = {
    "401": ("No access key, or one that is not known.", "key-missing", "this API wants an access key"),
    "403": ("The access key may not do this; or a page of another site asked.", "key-without-scope", "the access key may not write"),
    "422": ("The request cannot be answered as it stands.", "invalid-request", "k is 0; ask for 1 to 1000"),
    "503": ("Try again after `Retry-After` seconds.", "overloaded", "256 requests wait for texts already; try again later"),
    "default": ("Any other problem.", "not-found", "image 0d2a5e6f is not in the catalog; it may have been deleted"),
}  # fmt: skip
"""By status: what it means, and an example's kind and detail."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=ABOUT, routes=app.routes, tags=TAGS
        )
        _tell_problems(document)
        _put_first_things_first(document)
        app.openapi_schema = document
    return app.openapi_schema


def _put_first_things_first(document: dict[str, Any]) -> None:
    """The search that everybody begins with at the top, and what a query needs before what it may have."""
    paths = document["paths"]
    document["paths"] = {FIRST: paths[FIRST], **paths}
    for operations in paths.values():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            parameters.sort(key=lambda each: not each.get("required"))
            for each in parameters:
                each["schema"] = _without_null(each["schema"])


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Of what may be left out: in an address there is no null."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else schema


def _tell_problems(document: dict[str, Any]) -> None:
    """Every operation may answer with a problem; none with FastAPI's own errors."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, definitions = models_json_schema(
        [(Problem, "serialization"), (WrongPlace, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas |= definitions["$defs"]
    for operations in document["paths"].values():
        for operation in operations.values():
            _add_problems(operation)


def _add_problems(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    told = {status: each["description"] for status, each in answers.items() if status >= "4"}
    keyed = {"401", "403"} if operation.get("security") else set()
    told |= {
        status: text
        for status, (text, *_) in ERRORS.items()
        if status in keyed or status not in ("401", "403")
    }
    for status, text in told.items():
        answers[status] = {"description": text, "content": {CONTENT_TYPE: _problem(status)}}
        if status == "503":
            answers[status]["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}


def _problem(status: str) -> dict[str, Any]:
    described: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if status in ERRORS:
        _, kind, detail = ERRORS[status]
        number = 404 if status == "default" else int(status)
        described["example"] = {
            "type": f"{TYPES}{kind}",
            "title": phrase_of(number),
            "status": number,
            "detail": detail,
            "request_id": "5a3d06d558d342768e40d570def8a808",
        }
    return described
