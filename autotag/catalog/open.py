"""Opens the catalog that the settings name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from upath import UPath

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import MissingInputError, ModelMismatchError, UsageError
from autotag.settings import Settings

if TYPE_CHECKING:
    from autotag.catalog.opensearch.rebuilding import Rebuilt

IMAGES_AT_ONCE = 500
"""Images that a rebuild holds."""


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


def rebuild_catalog(settings: Settings, model_id: str, dim: int) -> "Rebuilt":
    """Make the catalog's index on OpenSearch anew, as its settings are now, of what it holds.

    It is searched meanwhile, and written to afterwards.

    Raises:
        UsageError: the catalog is the embedded one.
        MissingInputError: there is none.
        ModelMismatchError: it is of another model.
        CatalogUnavailableError: the cluster does not answer; the catalog is as it was.
    """
    if settings.catalog.backend != "opensearch":
        raise UsageError(
            "the embedded catalog needs no rebuilding: it indexes itself; only one on OpenSearch is laid out by settings"
        )
    from autotag.catalog.opensearch.rebuilding import rebuild

    catalog = _opensearch(settings, model_id, dim, create=False)
    try:
        return rebuild(settings.catalog, model_id, dim, _batches(catalog))
    finally:
        catalog.close()


def _batches(catalog: Catalog) -> Iterator[list[CatalogImage]]:
    """All images, by id."""
    after = ""
    while images := catalog.page(after, IMAGES_AT_ONCE):
        yield images
        after = images[-1].image_id


def _opensearch(settings: Settings, model_id: str, dim: int, *, create: bool) -> Catalog:
    from autotag.catalog.opensearch.store import open_opensearch

    return open_opensearch(settings.catalog, model_id, dim, create=create)


def _lance(settings: Settings, root: UPath, model_id: str, dim: int, *, create: bool) -> Catalog:
    from autotag.catalog.lance.catalog import LanceCatalog

    try:
        told = settings.catalog
        return LanceCatalog(
            root / model_id, model_id, dim, told.index_from, memory_mb=told.memory_mb, create=create
        )
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
