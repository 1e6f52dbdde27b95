"""Opens the catalog that the settings name."""

from typing import Protocol

from upath import UPath

from autotag.catalog.protocol import Catalog
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.settings import Settings


class HasCatalogRoot(Protocol):
    """What is needed of a layout: the directory that holds a catalog a model."""

    @property
    def catalog(self) -> UPath:
        """Root of the catalogs."""
        ...


def open_catalog(
    settings: Settings, layout: HasCatalogRoot, model_id: str, dim: int, *, create: bool = True
) -> Catalog:
    """The catalog of a model.

    Args:
        settings: which store, and from what size it indexes.
        layout: where the embedded store lies.
        model_id: of all vectors.
        dim: their length.
        create: make it where there is none; a reader must not.

    Raises:
        MissingInputError: there is none, and none is to be made.
        ModelMismatchError: there is one of another model only.
        CatalogUnavailableError: the store does not answer.
    """
    if settings.catalog.backend == "opensearch":
        return _opensearch(settings, model_id, dim, create=create)
    return _lance(settings, layout.catalog, model_id, dim, create=create)


def _opensearch(settings: Settings, model_id: str, dim: int, *, create: bool) -> Catalog:
    from autotag.catalog.opensearch.store import open_opensearch

    return open_opensearch(settings.catalog, model_id, dim, create=create)


def _lance(settings: Settings, root: UPath, model_id: str, dim: int, *, create: bool) -> Catalog:
    from autotag.catalog.lance.catalog import LanceCatalog

    try:
        return LanceCatalog(root / model_id, model_id, dim, settings.catalog.index_from, create=create)
    except MissingInputError:
        others = _other_models(root)
        if not others:
            raise
        raise ModelMismatchError(
            f"the catalog below {root} is of {', '.join(others)}, and the models here are {model_id};"
            " set [models] as they were, or catalog the folders again with these models"
        ) from None


def _other_models(root: UPath) -> list[str]:
    """Models that have a catalog below the root."""
    from autotag.catalog.lance.columns import TABLE

    if not root.exists():
        return []
    return sorted(each.name for each in root.iterdir() if (each / f"{TABLE}.lance").exists())
