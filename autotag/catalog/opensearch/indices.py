"""The index behind the alias: made, and recognised. Everybody reads and writes through the alias."""

from typing import Any

from autotag.catalog.opensearch.calls import Calls
from autotag.catalog.opensearch.index_shape import SHAPE_VERSION, pipeline_body, template_body
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.settings.sections import Catalog as CatalogSettings

_FIRST = "first"


def pipeline_name(alias: str) -> str:
    """Name of the search pipeline of hybrid queries."""
    return f"{alias}.words"


def ready_index(calls: Calls, settings: CatalogSettings, model_id: str, dim: int, create: bool) -> None:
    """See that the alias names an index of this model.

    Raises:
        MissingInputError: there is none, and none is to be made.
        ModelMismatchError: it is of another model, or of another version of autotag.
    """
    if index_behind(calls, settings.alias) is None:
        if not create:
            raise MissingInputError(
                f"there is no catalog {settings.alias} on {calls.place} yet; tag a folder, or ingest an image, to make it"
            )
        put_template(calls, settings, model_id, dim)
        # The same name whoever comes first: two processes that start together make one index, not two.
        make_index(calls, f"{settings.alias}.{_FIRST}")
        move_alias(calls, settings.alias, f"{settings.alias}.{_FIRST}", None)
    _check_model(calls, settings.alias, model_id, dim)


def index_behind(calls: Calls, alias: str) -> str | None:
    """Name of the index that the alias names; None where there is no such alias.

    Raises:
        PermanentError: it names several.
    """
    found = calls.read(
        lambda timeout_s: calls.client.indices.get_alias(
            name=alias, params={"ignore": 404, "request_timeout": timeout_s}
        )
    )
    if "error" in found:
        return None
    if len(found) > 1:
        raise PermanentError(
            f"the alias {alias} on {calls.place} names {len(found)} indexes ({', '.join(sorted(found))}); leave one"
        )
    return next(iter(found))


def put_template(calls: Calls, settings: CatalogSettings, model_id: str, dim: int) -> None:
    """Say what the next index of the alias is made with, and how its hybrid queries are scored."""
    calls.write(
        lambda timeout_s: calls.client.indices.put_index_template(
            name=settings.alias,
            body=template_body(settings, model_id, dim),
            params={"request_timeout": timeout_s},
        )
    )
    calls.write(
        lambda timeout_s: calls.client.search_pipeline.put(
            id=pipeline_name(settings.alias), body=pipeline_body(), params={"request_timeout": timeout_s}
        )
    )


def make_index(calls: Calls, index: str) -> None:
    """Make an index, unless it is there: by another process, or by this one when the answer was lost."""
    answer = calls.write(
        lambda timeout_s: calls.client.indices.create(
            index=index, params={"ignore": 400, "request_timeout": timeout_s}
        )
    )
    error = answer.get("error")
    if error and error.get("type") != "resource_already_exists_exception":
        raise PermanentError(
            f"OpenSearch at {calls.place} refused to make the index {index}: {error['reason']}"
        )


def move_alias(calls: Calls, alias: str, new: str, old: str | None) -> None:
    """Move it in one request. Asked twice the request would fail on the old index, which is gone: it is looked at first."""
    actions: list[dict[str, Any]] = [{"add": {"index": new, "alias": alias}}]
    if old is not None:
        actions.append({"remove_index": {"index": old}})

    def attempt() -> None:
        if index_behind(calls, alias) != new:
            calls.write_once(
                lambda timeout_s: calls.client.indices.update_aliases(
                    body={"actions": actions}, params={"request_timeout": timeout_s}
                )
            )

    calls.persist(attempt)


def _check_model(calls: Calls, alias: str, model_id: str, dim: int) -> None:
    answer = calls.read(
        lambda timeout_s: calls.client.indices.get_mapping(index=alias, params={"request_timeout": timeout_s})
    )
    made = next(iter(answer.values()))["mappings"].get("_meta", {})
    where = f"the catalog {alias} on {calls.place}"
    remedy = "set catalog.alias to a new name and fill it with `autotag catalog --all`"
    if made.get("shape_version") != SHAPE_VERSION:
        raise ModelMismatchError(
            f"{where} has the shape {made.get('shape_version')}, not {SHAPE_VERSION}: another version of autotag made it,"
            f" or something else; {remedy}"
        )
    if (made.get("model_id"), made.get("dim")) != (model_id, dim):
        raise ModelMismatchError(
            f"{where} holds vectors of {made.get('model_id')} ({made.get('dim')} numbers), not of {model_id} ({dim});"
            f" {remedy}"
        )
