from collections.abc import Callable
from dataclasses import replace

import pytest

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.domain.catalog_entries import image_id
from autotag.errors import MissingInputError
from autotag.models.fakes import DIM
from autotag.pipeline.audit_catalog import audit_catalog
from autotag.pipeline.catalog_folder import catalog_folder
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.label_steps import colour_folder
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process


@pytest.fixture
def catalog(plan: PipelinePlan, folders: Folders) -> InMemoryCatalog:
    """Holds a folder of five pictures."""
    colour_folder(plan, folders)
    made = InMemoryCatalog(plan.model_id, DIM)
    catalog_folder(plan, "trip", made)
    return made


def test_a_catalog_that_holds_the_folder_is_sound(plan: PipelinePlan, catalog: InMemoryCatalog) -> None:
    audit = audit_catalog(plan, "trip", catalog)
    assert (audit.items, audit.faults) == (5, ())


def lost(catalog: InMemoryCatalog) -> None:
    catalog.delete([image_id("trip", "2.png")])


def foreign(catalog: InMemoryCatalog) -> None:
    (image,) = catalog.get([image_id("trip", "2.png")])
    assert image is not None
    catalog.upsert([replace(image, image_id="0" * 32)])


def other_bytes(catalog: InMemoryCatalog) -> None:
    (image,) = catalog.get([image_id("trip", "2.png")])
    assert image is not None
    catalog.upsert([replace(image, media_id="0" * 64)])


def without_objects(catalog: InMemoryCatalog) -> None:
    (image,) = catalog.get([image_id("trip", "2.png")])
    assert image is not None
    catalog.upsert([replace(image, objects=())])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lost, "1 embedded images are not in the catalog, such as 2.png"),
        (foreign, f"1 images of the catalog are none of the folder's, such as {'0' * 32}"),
        (other_bytes, "1 images have other bytes in the catalog, such as 2.png"),
        (without_objects, "1 images have other objects in the catalog, such as 2.png"),
    ],
)
def test_each_difference_is_a_fault_that_names_an_image(
    plan: PipelinePlan, catalog: InMemoryCatalog, damage: Callable[[InMemoryCatalog], None], told: str
) -> None:
    damage(catalog)
    assert audit_catalog(plan, "trip", catalog).faults == (told,)


def test_a_folder_that_changed_since_is_a_fault(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    folders.make("trip", {"new.png": coloured("pink", 90)})
    process(plan, "trip")
    assert audit_catalog(plan, "trip", catalog).faults == (
        "1 embedded images are not in the catalog, such as new.png",
    )


def test_a_folder_that_was_not_embedded_is_named(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match="materialise target_images of trip first"):
        audit_catalog(plan, "trip", InMemoryCatalog(plan.model_id, DIM))
