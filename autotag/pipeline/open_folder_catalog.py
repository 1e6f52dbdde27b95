"""The settings' catalog for work on a folder: the length of its vectors is read off the folder's table, no model is loaded."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from autotag.catalog.open import open_catalog
from autotag.catalog.protocol import Catalog
from autotag.domain.identity import folder_path
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.tables import read_schema


@contextmanager
def folder_catalog(
    plan: PipelinePlan, key: str, settings: Settings, *, create: bool = True
) -> Iterator[Catalog]:
    """The catalog, open; closed at the end of the block.

    Args:
        plan: which model, and where things are.
        key: of an embedded folder.
        settings: which catalog.
        create: whether to make it where there is none.

    Raises:
        MissingInputError: the folder has no embeddings; or there is no catalog, and none is to be made.
        ModelMismatchError: the catalog is of another model.
        CatalogUnavailableError: it does not answer.
    """
    path = plan.layout.folder_tables(key).embeddings
    if not path.exists():
        folder = shlex.quote(folder_path(key))
        raise MissingInputError(
            f"{path} is not there; run autotag process-target --folder {folder} first, or where there is no archive"
            f" autotag embed --folder {folder}"
        )
    dim = read_schema(path).field("embedding").type.list_size
    catalog = open_catalog(settings, plan.layout, plan.model_id, dim, create=create)
    try:
        yield catalog
    finally:
        catalog.close()


def place_of_catalog(plan: PipelinePlan, settings: Settings) -> str:
    """Where the catalog is, for a person: its directory, or the name it has in OpenSearch."""
    if settings.catalog.backend == "opensearch":
        return f"OpenSearch: {settings.catalog.alias}"
    return str(plan.layout.catalog / plan.model_id)
