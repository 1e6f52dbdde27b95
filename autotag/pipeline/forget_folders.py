"""Takes folders out of the settings' catalog. Files and results are not touched: catalogued again, a folder is back."""

from collections.abc import Sequence

from autotag.catalog.open import open_catalog
from autotag.errors import MissingInputError
from autotag.pipeline.catalog_folder import forget_folder
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.settings import Settings


def forget_folders(plan: PipelinePlan, keys: Sequence[str], settings: Settings) -> dict[str, int]:
    """How many images of each folder there were. Folders below them stay; where there is no catalog, there is nothing to forget.

    Raises:
        ModelMismatchError: the catalog is of another model.
        CatalogUnavailableError: it does not answer.
    """
    if not keys:
        return {}
    dim = loaded_embedder(plan.embedder).dim
    try:
        catalog = open_catalog(settings, plan.layout, plan.model_id, dim, create=False)
    except MissingInputError:
        return dict.fromkeys(keys, 0)
    try:
        return {key: forget_folder(catalog, key) for key in keys}
    finally:
        catalog.close()
