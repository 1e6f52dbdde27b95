"""Audit of a folder's part of the catalog."""

from collections import Counter

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import image_id
from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.catalog_rows import read_manifest
from autotag.pipeline.open_folder_catalog import folder_catalog
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.tables import read_table

IDS_AT_ONCE = 256
"""Images fetched together, with all their vectors."""


def audit_catalog_of(plan: PipelinePlan, key: str, settings: Settings) -> Audit:
    """As `audit_catalog`, of the settings' catalog, which is not made here.

    Raises:
        MissingInputError: there is no catalog, no manifest, or no embeddings.
        CatalogUnavailableError: the catalog does not answer.
    """
    with folder_catalog(plan, key, settings, create=False) as catalog:
        return audit_catalog(plan, key, catalog)


def audit_catalog(plan: PipelinePlan, key: str, catalog: Catalog) -> Audit:
    """The catalog holds exactly the folder's embedded images, with their bytes and their objects.

    Raises:
        MissingInputError: the folder has no manifest or embeddings.
    """
    manifest = read_manifest(plan, key)
    rows = read_table(
        plan.layout.folder_tables(key).embeddings, ["file"], made_by=f"target_embeddings of {key}"
    )
    objects = {file: count - 1 for file, count in Counter(rows["file"].to_pylist()).items()}
    wanted = {image_id(key, file): file for file in objects}
    there = catalog.ids_in(key).keys()
    changed, odd = set[str](), set[str]()
    held = sorted(there & wanted.keys())
    for first in range(0, len(held), IDS_AT_ONCE):
        for image in catalog.get(held[first : first + IDS_AT_ONCE]):
            if image is None or image.file not in manifest or image.media_id != manifest[image.file].media_id:
                changed.add(image.file if image else "an image that has just gone")
            elif len(image.objects) != objects[image.file]:
                odd.add(image.file)
    missing = {wanted[each] for each in wanted.keys() - there}
    told = (
        ("embedded images are not in the catalog", missing),
        ("images of the catalog are none of the folder's", set(there - wanted.keys())),
        ("images have other bytes in the catalog", changed),
        ("images have other objects in the catalog", odd),
    )
    return Audit(
        len(wanted), tuple(f"{len(found)} {what}, such as {min(found)}" for what, found in told if found)
    )
